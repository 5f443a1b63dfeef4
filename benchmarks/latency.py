"""How long `/predict` takes while a bulk job of pictures runs, beside the same on an idle system.

One client asks again and again, each time with a title and a picture that nobody has seen, and pauses in between, so
that its questions come at any moment of a micro-batch. Run it as

    .venv/bin/python -m benchmarks.latency --pictures FOLDER --titles CSV
"""

import base64
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import pictures
from benchmarks.harness import Options, Plot, Result, Table
from benchmarks.pictures import Product, unseen, with_other_bytes
from benchmarks.system import System

_MICRO_BATCHES = 5
_LONGEST_PAUSE_S = 0.2


@dataclass(frozen=True)
class Loaded:
    waits_s: list[float]
    pictures_per_s: float
    """Rate of the bulk job and the client together."""


def ask(system: System, products: Sequence[Product], mark: str, go_on: Callable[[int], bool]) -> Iterator[float]:
    """Seconds that each answer took, for as long as `go_on` says of the number of answers so far."""
    pause, asked = random.Random(7), 0
    while go_on(asked):
        product = with_other_bytes(products[asked % len(products)], f"{mark} {asked}")
        image = {"base64": base64.b64encode(product.picture).decode()}
        start = time.perf_counter()
        system.catalog.predict(product.title, image=image)
        yield time.perf_counter() - start
        asked += 1
        time.sleep(pause.uniform(0, _LONGEST_PAUSE_S))


def under_load(system: System, products: Sequence[Product], size: int, longest_s: float) -> Loaded:
    """The waits while a job of `size` pictures runs, or for `longest_s` of it."""
    job = system.submit(unseen(products, size, "bulk"))
    before = next(system.progress(job))
    until = time.perf_counter() + longest_s
    running = lambda _: time.perf_counter() < until and not system.ledger.job(job).ended  # noqa: E731
    waits = list(ask(system, products, "loaded", running))
    after = next(system.progress(job))
    system.catalog.cancel(job)
    done = after[1] - before[1] + len(waits)
    return Loaded(waits, done / (after[0] - before[0]))


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that at least this share of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def main() -> None:
    parser = Options("latency", __doc__)
    pictures.add_options(parser)
    parser.add_amount("items", 5_000, 500, "pictures of the job")
    parser.add_amount("seconds", 600.0, 15.0, "longest time under load")
    chosen = parser.chosen()
    size, seconds = chosen.items, chosen.seconds
    idle_asks = 50 if chosen.short else 300

    sample = pictures.load(chosen, 64)
    with TemporaryDirectory() as folder, System(Path(folder), 1) as system:
        list(ask(system, sample.products, "warm-up", lambda asked: asked < 10))
        idle = list(ask(system, sample.products, "idle", lambda asked: asked < idle_asks))
        loaded = under_load(system, sample.products, size, seconds)
        worker = system.serving()[0]
    micro_batch_s = worker["micro_batch"] / loaded.pictures_per_s
    p99 = percentile(loaded.waits_s, 0.99)
    rows = [
        (name, len(waits), *(f"{1000 * percentile(waits, share):.0f}" for share in (0.5, 0.9, 0.99, 1)))
        for name, waits in (("idle", idle), ("while the job runs", loaded.waits_s))
    ]
    Result(
        name="latency",
        title="`/predict` while a bulk job of pictures runs",
        target=f"p99 under {_MICRO_BATCHES} micro-batches' time",
        outcome=f"p99 {1000 * p99:.0f} ms, {p99 / micro_batch_s:.1f} micro-batches",
        reached=p99 < _MICRO_BATCHES * micro_batch_s,
        tables=[Table(("", "requests", "p50, ms", "p90, ms", "p99, ms", "longest, ms"), rows)],
        notes=[
            f"the job has {size:,} pictures; {sample.description}",
            f"a micro-batch is {worker['micro_batch']} pictures: {1000 * micro_batch_s:.0f} ms at the "
            f"{loaded.pictures_per_s:.1f} pictures/s of the job and the client together; "
            f"{worker['pictures_per_s']:.1f} pictures/s is the rate of the model alone at the worker's start",
        ],
        plot=Plot(
            {"idle": _shares(idle), "while the job runs": _shares(loaded.waits_s)},
            x="milliseconds",
            y="share of the requests answered within that time",
        ),
        command=f"python -m benchmarks.latency{pictures.as_typed(chosen)} --items {size} --seconds {seconds:g}",
    ).save(chosen.output)
    print(f"p50 {statistics.median(loaded.waits_s):.3f} s, p99 {p99:.3f} s, micro-batch {micro_batch_s:.3f} s")


def _shares(waits: Sequence[float]) -> list[tuple[float, float]]:
    """A cumulative distribution, as points."""
    return [(1000 * wait, number / len(waits)) for number, wait in enumerate(sorted(waits), 1)]


if __name__ == "__main__":
    main()
