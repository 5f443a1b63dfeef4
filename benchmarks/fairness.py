"""Two equal bulk jobs of pictures, the second submitted a while after the first.

How soon the second has its first results, and how many items a second each gets while both run. Run it as

    .venv/bin/python -m benchmarks.fairness --pictures FOLDER --titles CSV
"""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import pictures
from benchmarks.harness import Options, Plot, Result, Table
from benchmarks.pictures import Product, unseen
from benchmarks.system import Line, Point, System, changes, rate

_EVEN, _SOON_S = 0.2, 5.0
"""Limits for "even" and "within seconds"."""
_SAMPLE_S = 0.25
_BEGUN = 0.125
"""The share of the first job after which the second is sent in any case: a fast machine would finish the first."""


def measure(
    system: System, products: Sequence[Product], size: int, gap_s: float, commits: int
) -> tuple[float, list[list[Point]]]:
    """When the second job was accepted, and each job's progress: seconds since the first was accepted.

    It ends, and the jobs are cancelled, when both have had this many commits since the second had its first.

    Raises:
        RuntimeError: a job has ended before.
    """
    first = system.submit(unseen(products, size, "first"))
    start = system.ledger.job(first).created_at
    lines: list[list[Point]] = [[], []]
    while _look(system, first, start, lines[0]) < gap_s and lines[0][-1][1] < size * _BEGUN:
        time.sleep(_SAMPLE_S)
    second = system.submit(unseen(products, size, "second"))
    accepted = system.ledger.job(second).created_at - start
    while min(len(changes(line)) for line in together(*lines)) <= commits:
        time.sleep(_SAMPLE_S)
        for job, line in zip((first, second), lines, strict=True):
            _look(system, job, start, line)
    for job in (first, second):
        system.catalog.cancel(job)
    return accepted, lines


def _look(system: System, job: str, start: float, line: list[Point]) -> float:
    """Add to the job's progress; returns the moment."""
    seen = system.ledger.job(job)
    if seen.ended:
        raise RuntimeError("a job has ended while both were to run: give --items a larger number")
    line.append((seen.read_at - start, seen.done))
    return seen.read_at - start


def first_result(line: Line) -> float | None:
    """When the job had one."""
    return next((at for at, done in line if done), None)


def together(first: Line, second: Line) -> tuple[Line, Line]:
    """The progress of both from the second's first result on."""
    start = first_result(second)
    begin = math.inf if start is None else start
    return [point for point in first if point[0] >= begin], [point for point in second if point[0] >= begin]


def main() -> None:
    parser = Options("fairness", __doc__)
    pictures.add_options(parser)
    parser.add_amount("items", 8_000, 3_000, "pictures of each job")
    parser.add_amount("gap", 60.0, 5.0, "seconds between the two, at most")
    parser.add_amount("commits", 60, 8, "of each while both run")
    chosen = parser.chosen()
    size, gap_s, commits = chosen.items, chosen.gap, chosen.commits

    sample = pictures.load(chosen, 64)
    with TemporaryDirectory() as folder, System(Path(folder), 1) as system:
        accepted, (first, second) = measure(system, sample.products, size, gap_s, commits)
    waits_s = first_result(first) or 0.0, (first_result(second) or 0.0) - accepted
    rates = [rate(line) for line in together(first, second)]
    uneven = abs(rates[0] - rates[1]) / max(rates)
    rows = [
        (name, f"{wait_s:.1f}", f"{items_per_s:.2f}")
        for name, wait_s, items_per_s in zip(("first", "second"), waits_s, rates, strict=True)
    ]
    Result(
        name="fairness",
        title="Two equal bulk jobs, one submitted after the other",
        target=f"the second's first results within {_SOON_S:g} s; their rates differ by at most {_EVEN:.0%}",
        outcome=f"first results after {waits_s[1]:.1f} s; rates differ by {uneven:.0%}",
        reached=waits_s[1] < _SOON_S and uneven <= _EVEN,
        tables=[Table(("job", "first results after, s", "items/s while both run"), rows)],
        notes=[
            f"each job has {size:,} pictures; the second came {accepted:.0f} s after the first; {sample.description}"
        ],
        plot=Plot({"first job": first, "second job": second}, x="seconds", y="items done"),
        command=f"python -m benchmarks.fairness{pictures.as_typed(chosen)} "
        f"--items {size} --gap {gap_s:g} --commits {commits}",
    ).save(chosen.output)
    print(f"first results after {waits_s[1]:.1f} s; rates {rates[0]:.2f} and {rates[1]:.2f} items/s")


if __name__ == "__main__":
    main()
