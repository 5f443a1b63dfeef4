"""1, 2, 4, 8 and 16 worker processes whose engine sleeps as long as a GPU would compute.

So the machine's cores are left to what is around the engine, and it shows whether workers get into each other's way.
For each number of workers there is a job; its rate is taken from the first commit to the last one that all of them
were busy at. Run it as

    .venv/bin/python -m benchmarks.scaling --titles CSV
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness import Options, Plot, Result, Table
from benchmarks.stand_in import SLEEP_S
from benchmarks.system import System, add_titles, cpu_s, rate, titles, titles_as_typed

_SHARE = 0.9
_BUSY = (0.15, 0.85)
"""The part of a job during which every worker certainly has chunks to process."""


def measure(system: System, items: list[dict[str, Any]], workers: int, seconds: float) -> tuple[float, float]:
    """Items per second with this many workers, and the seconds of CPU of all workers per second."""
    system.grow(workers)
    size = round(workers * seconds / SLEEP_S)
    job = system.submit(items[:size])
    used, start = sum(map(cpu_s, system.workers)), system.ledger.now()
    line = list(system.progress(job))
    busy = (sum(map(cpu_s, system.workers)) - used) / (system.ledger.now() - start)
    first, last = (share * size for share in _BUSY)
    return rate([(at, done) for at, done in line if first <= done <= last]), busy


def main() -> None:
    parser = Options("scaling", __doc__)
    add_titles(parser)
    parser.add_argument("--workers", type=int, nargs="+", help="1 2 4 8 16 by default, 1 8 in the short form")
    parser.add_amount("seconds", 24.0, 6.0, "of work per job")
    chosen = parser.chosen()
    counts = chosen.workers or ([1, 8] if chosen.short else [1, 2, 4, 8, 16])
    seconds = chosen.seconds

    items, source = titles(chosen, round(max(counts) * seconds / SLEEP_S))
    rates: dict[int, float] = {}
    rows = []
    limit = {"CATALOG_MAX_ITEMS": str(len(items)), "CATALOG_MAX_QUEUED_ITEMS": str(len(items))}
    with TemporaryDirectory() as folder, System(Path(folder), 0, "sleeping", limit) as system:
        for workers in counts:
            rates[workers], busy = measure(system, items, workers, seconds)
            share = rates[workers] / workers / (rates[counts[0]] / counts[0])
            rows.append((workers, round(rates[workers]), f"{share:.2f}", f"{busy:.2f}"))
            print(f"{workers:3} workers {rates[workers]:10.0f} items/s, {share:.2f} of proportional", flush=True)
    least = min(float(row[2]) for row in rows)
    Result(
        name="scaling",
        title="Worker processes with an engine that sleeps as a GPU would",
        target=f"items/s grows by at least {_SHARE}× per worker",
        outcome=f"{least:.2f}× at least, with up to {counts[-1]} workers",
        reached=least >= _SHARE,
        tables=[Table(("workers", "items/s", "share of proportional growth", "cores used by the workers"), rows)],
        notes=[f"the engine sleeps {1000 * SLEEP_S:g} ms per item, as a GPU with {1 / SLEEP_S:.0f} pictures/s", source],
        plot=Plot(
            {
                "seen": [(float(workers), seen) for workers, seen in rates.items()],
                "proportional": [(float(n), n * rates[counts[0]] / counts[0]) for n in counts],
            },
            x="workers",
            y="items/s",
        ),
        command=f"python -m benchmarks.scaling{titles_as_typed(chosen)} "
        f"--workers {' '.join(map(str, counts))} --seconds {seconds:g}",
    ).save(chosen.output)


if __name__ == "__main__":
    main()
