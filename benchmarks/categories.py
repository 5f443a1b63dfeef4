"""What the number of categories costs: 27, 300, 1,000 and 5,000 leaves of an invented catalogue with a long tail.

Each catalogue is trained, and all models are served at once, in turns, with one worker each. Run it as

    .venv/bin/python -m benchmarks.categories
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks import invented_catalogue
from benchmarks.harness import Options, Result, Table
from benchmarks.system import System, cpu_s, resident_bytes
from shared.model import runtimes
from shared.model.bundle import Bundle
from shared.pipeline.params import load_params
from training.judge.answers import answer
from training.judge.levels import hierarchical_f1
from training.judge.scores import score
from training.pipeline.prepared import Prepared
from training.pipeline.splits import TEST
from training.train import train

LEAVES, SHORT_LEAVES = (27, 300, 1_000, 5_000), (27, 1_000)
_TIMES, _MORE_MB, _TAXONOMY_MS, _API_MB = 1.5, 150, 50, 120
"""The targets: the time for a title and the worker's memory against the fewest categories, and the API's figures."""
_SHOWN_S = 60
"""How long the API may take to show the taxonomy of a worker that has just begun to serve."""
_ASKED = 30
"""Requests for the taxonomy whose median counts."""


@dataclass(frozen=True)
class Trained:
    """What a training gave and cost."""

    bundle: str
    seconds: float
    peak_mb: float
    f1: float
    hierarchical_f1: float
    size_mb: float
    """The bundle's."""


@dataclass
class Served:
    """What a model costs while it serves."""

    worker_mb: float
    api_mb: float
    taxonomy_ms: float
    result_bytes: float
    rates: list[float]
    """Titles per second from the first byte of the request to the last result, over HTTP, by round."""
    worker_us: list[float]
    """The worker's CPU time for a title, in microseconds, by round."""


def fit(folder: Path, leaves: int, items: int, epochs: int) -> Trained:
    """Train in this process, whose peak memory is then the training's."""
    prepared = Prepared(invented_catalogue.write(folder, leaves, items))
    params = load_params().train
    params = params.model_copy(
        update={
            "text": params.text.model_copy(update={"epochs": epochs}),
            "image": params.image.model_copy(update={"epochs": 1}),
        }
    )
    start = time.perf_counter()
    bundle = train(prepared, folder / "bundle", folder / "report", params)
    seconds = time.perf_counter() - start
    test = prepared.split(TEST)
    fused = answer(bundle, runtimes.load(bundle), test).fused
    return Trained(
        str(bundle.folder),
        seconds,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        score(fused, test.classes)["weighted_f1"],
        hierarchical_f1(fused, test.classes, prepared.categories.levels),
        sum(file.stat().st_size for file in bundle.folder.iterdir()) / 1e6,
    )


def _fit_apart(folder: Path, leaves: int, items: int, epochs: int) -> Trained:
    code = "import sys; from benchmarks import categories; categories.told(*sys.argv[1:])"
    arguments = [str(folder), str(leaves), str(items), str(epochs)]
    found = subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return Trained(**json.loads(found.stdout.splitlines()[-1]))


def told(folder: str, leaves: str, items: str, epochs: str) -> None:
    """Print what `fit` returns."""
    found = fit(Path(folder), int(leaves), int(items), int(epochs))
    print(json.dumps(found.__dict__))


def _before(system: System, bundle: Bundle) -> Served:
    """What can be said before the first title."""
    api_mb = resident_bytes(system.process("api")) / 1e6
    with httpx.Client(base_url=system.url) as http:
        deadline, laps = time.monotonic() + _SHOWN_S, []
        while len(http.get("/v1/taxonomy").raise_for_status().json()["categories"]) != len(bundle.taxonomy.categories):
            if time.monotonic() > deadline:
                raise RuntimeError("the API shows another taxonomy than the worker serves")
            time.sleep(0.2)
        for _ in range(_ASKED):
            start = time.perf_counter()
            http.get("/v1/taxonomy").raise_for_status()
            laps.append(time.perf_counter() - start)
    return Served(0, api_mb, 1e3 * statistics.median(laps), 0, [], [])


def _round(system: System, items: list[dict[str, Any]], served: Served) -> None:
    used, start = cpu_s(system.workers[0]), time.perf_counter()
    job = system.submit(items)
    system.work(job)
    results = list(system.catalog.results(job))
    served.rates.append(len(items) / (time.perf_counter() - start))
    served.worker_us.append((cpu_s(system.workers[0]) - used) / len(items) * 1e6)
    served.result_bytes = statistics.mean(len(json.dumps(result.document)) for result in results)
    served.worker_mb = resident_bytes(system.workers[0]) / 1e6


def main() -> None:
    parser = Options("categories", __doc__)
    parser.add_argument("--leaves", nargs="+", type=int, help="the numbers of categories")
    parser.add_amount("items", 20_000, 3_000, "products of each catalogue")
    parser.add_amount("epochs", 6, 1, "epochs of the text network")
    parser.add_amount("titles", 10_000, 2_000, "titles of a round")
    parser.add_amount("rounds", 7, 3)
    chosen = parser.chosen()
    chosen.leaves = chosen.leaves or (SHORT_LEAVES if chosen.short else LEAVES)
    trained: dict[int, Trained] = {}
    served: dict[int, Served] = {}
    with TemporaryDirectory() as folder, ExitStack() as systems:
        for leaves in chosen.leaves:
            trained[leaves] = _fit_apart(Path(folder) / str(leaves), leaves, chosen.items, chosen.epochs)
            print(f"{leaves:6,} leaves: {trained[leaves]}", flush=True)
        running: dict[int, tuple[System, list[dict[str, Any]]]] = {}
        for leaves, found in trained.items():
            bundle = Bundle.load(Path(found.bundle))
            system = systems.enter_context(
                System(Path(folder) / f"state-{leaves}", 1, settings={"CATALOG_MODEL": found.bundle})
            )
            served[leaves] = _before(system, bundle)
            texts, _ = invented_catalogue.titles(bundle.taxonomy, chosen.titles, seed=11)
            running[leaves] = (system, [{"title": text} for text in texts])
        for number in range(chosen.rounds + 1):
            for leaves, (system, items) in running.items():
                _round(system, items, served[leaves])
                print(f"round {number or 'warm-up'}  {leaves:6,} leaves {served[leaves].rates[-1]:10.0f} items/s")
    for seen in served.values():
        del seen.rates[0], seen.worker_us[0]
    _result(chosen, trained, served).save(chosen.output)


def _result(chosen: Any, trained: dict[int, Trained], served: dict[int, Served]) -> Result:
    few, many = min(served), max(served)
    slower = statistics.median(early / late for early, late in zip(served[few].rates, served[many].rates, strict=True))
    more_mb = served[many].worker_mb - served[few].worker_mb
    rows = [
        (
            f"{leaves:,}",
            f"{made.seconds:.0f}",
            f"{made.peak_mb:,.0f}",
            f"{made.size_mb:.1f}",
            f"{found.worker_mb:,.0f}",
            f"{statistics.median(found.rates):,.0f}",
            f"{statistics.median(found.worker_us):.0f}",
            f"{found.result_bytes:.0f}",
            f"{made.f1:.3f}",
            f"{made.hierarchical_f1:.3f}",
            f"{found.taxonomy_ms:.1f}",
            f"{found.api_mb:.0f}",
        )
        for leaves, (made, found) in ((leaves, (trained[leaves], served[leaves])) for leaves in served)
    ]
    columns = (
        *("leaves", "training, s", "its peak memory, MB", "bundle, MB", "worker, MB", "titles/s"),
        *("worker's CPU, µs a title", "bytes a result", "weighted F1", "hierarchical F1"),
        *("GET /v1/taxonomy, ms", "API at its start, MB"),
    )
    slowest, largest = (max(getattr(found, name) for found in served.values()) for name in ("taxonomy_ms", "api_mb"))
    return Result(
        name="categories",
        title="What the number of categories costs",
        target=f"{many:,} leaves against {few:,}: at most {_TIMES} times the time for a title and {_MORE_MB} MB more "
        f"of worker memory; the taxonomy in under {_TAXONOMY_MS} ms from an API of under {_API_MB} MB",
        outcome=f"{slower:.2f} times, {more_mb:+.0f} MB; {slowest:.1f} ms, {largest:.0f} MB",
        reached=slower <= _TIMES and more_mb <= _MORE_MB and slowest < _TAXONOMY_MS and largest < _API_MB,
        tables=[Table(columns, rows)],
        notes=[
            f"{chosen.items:,} invented products each, two for each category, and the "
            f"others in a long tail; {chosen.epochs} epochs of the text network, none cached",
            "all models serve at once on this machine, and take turns",
        ],
        command=f"python -m benchmarks.categories --items {chosen.items} --epochs {chosen.epochs} --titles "
        f"{chosen.titles} --rounds {chosen.rounds}",
    )


if __name__ == "__main__":
    main()
