"""Items with a title alone, end to end: from the first byte of the request to the last result, over HTTP.

One worker with the real model, the API, Redis and the client share the machine. Run it as

    .venv/bin/python -m benchmarks.text_only --titles CSV
"""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness import Options, Result, Table
from benchmarks.system import System, add_titles, cpu_s, titles, titles_as_typed

_TARGET = 3_000
_PARTS = ("api", "worker0", "redis")

Round = dict[str, float]
"""By name: the seconds of each stage, and the seconds of CPU of each part."""
_STAGES = ("sending", "classifying", "fetching results")


def run(system: System, items: list[dict[str, Any]]) -> Round:
    used = {part: cpu_s(system.process(part)) for part in _PARTS}
    laps = list(_laps(system, items))
    spent = {part: cpu_s(system.process(part)) - before for part, before in used.items()}
    print(f"{len(items) / (laps[-1] - laps[0]):10.0f} items/s", flush=True)
    return {name: end - start for name, start, end in zip(_STAGES, laps, laps[1:], strict=False)} | spent


def _laps(system: System, items: list[dict[str, Any]]) -> Iterator[float]:
    """The clock at the start and after each stage; the worker begins while the request is still answered."""
    yield time.perf_counter()
    job = system.submit(items)
    yield time.perf_counter()
    system.work(job)
    yield time.perf_counter()
    succeeded = sum(result.status == "succeeded" for result in system.catalog.results(job))
    if succeeded != len(items):
        raise RuntimeError(f"{succeeded} of {len(items)} items have a result")
    yield time.perf_counter()


def main() -> None:
    parser = Options("text_only", __doc__)
    add_titles(parser)
    parser.add_amount("items", 50_000, 20_000)
    parser.add_amount("rounds", 5, 3)
    chosen = parser.chosen()
    count, rounds = chosen.items, chosen.rounds

    items, source = titles(chosen, count)
    with TemporaryDirectory() as folder, System(Path(folder), 1) as system:
        seen = [run(system, items) for _ in range(rounds + 1)][1:]
        runtime = system.serving()[0]["runtime"]
    rates = [count / sum(one[stage] for stage in _STAGES) for one in seen]
    rate = statistics.median(rates)
    rows = [
        (
            number,
            round(rates[number - 1]),
            *(f"{one[stage]:.1f}" for stage in _STAGES),
            *(round(one[part] / count * 1e6) for part in _PARTS),
        )
        for number, one in enumerate(seen, 1)
    ]
    stages, parts = [f"{stage}, s" for stage in _STAGES], [f"CPU of {part}, µs per item" for part in _PARTS]
    Result(
        name="text_only",
        title="Items with a title alone, end to end",
        target=f"at least {_TARGET:,} items/s",
        outcome=f"{rate:,.0f} items/s",
        reached=rate >= _TARGET,
        tables=[Table(("round", "items/s", *stages, *parts), rows)],
        notes=[
            source,
            f"one worker, {runtime}; a first round, in which the worker computes each word for the first "
            "time, does not count",
        ],
        command=f"python -m benchmarks.text_only{titles_as_typed(chosen)} --items {count} --rounds {rounds}",
    ).save(chosen.output)
    print(f"{rate:,.0f} items/s")


if __name__ == "__main__":
    main()
