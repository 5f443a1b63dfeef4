"""A worker's memory under steady load: pictures and titles, job after job, for an hour.

The same pictures come again and again, and are computed again, because nothing is cached. Run it as

    .venv/bin/python -m benchmarks.worker_memory --minutes 60
"""

import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import pictures
from benchmarks.harness import Options, Plot, Result, Table
from benchmarks.pictures import Product, as_item
from benchmarks.system import Line, System, resident_bytes
from shared.queues import Lane

_JOB_ITEMS, _WAITING = 128, 64
_SAMPLES = 360
_WARM_UP = 0.25
"""The part of the time that does not count."""
_FLAT = 0.05
"""Permitted growth of memory in an hour."""
_TELLING_MINUTES = 10
"""A shorter run says nothing about an hour."""


def measure(system: System, products: Sequence[Product], minutes: float) -> list[tuple[float, float]]:
    """Minutes since the start, and the worker's MB, for this many minutes under load."""
    load = cycle([as_item(product) for product in products])
    start = time.perf_counter()
    seen = []
    while (now := (time.perf_counter() - start) / 60) < minutes:
        if system.ledger.pending(Lane.BULK) < _WAITING:
            system.submit(list(islice(load, _JOB_ITEMS)))
        seen.append((now, resident_bytes(system.workers[0]) / 1e6))
        time.sleep(60 * minutes / _SAMPLES)
    return seen


def growth(line: Line) -> float:
    """The share by which the memory grows in an hour, by a straight line through what was seen after the warm-up."""
    minutes, megabytes = np.array(line[int(_WARM_UP * len(line)) :]).T
    return float(60 * np.polyfit(minutes, megabytes, 1)[0] / np.median(megabytes))


def main() -> None:
    parser = Options("worker_memory", __doc__)
    pictures.add_options(parser)
    parser.add_amount("minutes", 60.0, 0.2)
    chosen = parser.chosen()
    minutes = chosen.minutes

    sample = pictures.load(chosen, 256)
    with TemporaryDirectory() as folder, System(Path(folder), 1) as system:
        seen = measure(system, sample.products, minutes)
        runtime = system.serving()[0]["runtime"]
    grown, telling = growth(seen), minutes >= _TELLING_MINUTES
    counted = [megabytes for _, megabytes in seen[int(_WARM_UP * len(seen)) :]]
    megabytes = [f"{value:.0f}" for value in (seen[0][1], min(counted), max(counted), seen[-1][1])]
    rows = [(*megabytes, f"{grown:+.1%}" if telling else "")]
    columns = ("at the start, MB", "least after the warm-up", "most", "at the end", "growth in an hour, by a line")
    Result(
        name="worker_memory",
        title="A worker's memory under steady load",
        target=f"flat over an hour: grows by less than {_FLAT:.0%}",
        outcome=f"{grown:+.1%} in an hour" if telling else f"{counted[-1]:.0f} MB; too short to tell",
        reached=grown < _FLAT if telling else None,
        tables=[Table(columns, rows)],
        notes=[
            f"{minutes:g} minutes, {runtime}; {sample.description}",
            f"the first {_WARM_UP:.0%} of the time do not count",
        ],
        plot=Plot({"worker": seen}, x="minutes", y="resident memory, MB"),
        command=f"python -m benchmarks.worker_memory{pictures.as_typed(chosen)} --minutes {minutes:g}",
    ).save(chosen.output)
    print(f"{seen[0][1]:.0f} MB at the start, {seen[-1][1]:.0f} MB at the end")


if __name__ == "__main__":
    main()
