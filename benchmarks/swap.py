"""Ten hot swaps under load: a bulk job of pictures runs, a client asks `/predict`, and the champion changes.

Nothing may be lost or doubled, `/predict` should hardly notice, and a swap should leave no memory behind. Run it as

    .venv/bin/python -m benchmarks.swap
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from mlflow import MlflowClient

from benchmarks import pictures
from benchmarks.bundles import altered
from benchmarks.harness import Options, Plot, Result, Table
from benchmarks.latency import ask, percentile
from benchmarks.pictures import Product, unseen
from benchmarks.system import System, resident_bytes
from shared.model.bundle import Bundle
from shared.settings import get_settings, local_bundle
from stack.processes import Process

_SERVED_S = 120
_AFTER_S = 1.0
"""What comes so soon after a swap still counts as during it."""
_SLOWER = 2.0
_GROWTH = 0.05


@dataclass
class Seen:
    """What a run came to; moments by `time.perf_counter`."""

    asked: list[tuple[float, float]] = field(default_factory=list)
    """When each answer of `/predict` was there, and how long it took."""
    swaps: list[tuple[float, float]] = field(default_factory=list)
    """From the request to promote until the worker said that it serves the other bundle."""
    done: list[tuple[float, int]] = field(default_factory=list)
    """The bulk job's items at the border of each phase."""
    megabytes: list[float] = field(default_factory=list)
    """The worker's, at the start and when the bundle before has gone after each swap."""

    def waits(self, *, swapping: bool) -> list[float]:
        def during(moment: float, wait: float) -> bool:
            return any(start <= moment and moment - wait <= end + _AFTER_S for start, end in self.swaps)

        return [wait for moment, wait in self.asked if during(moment, wait) == swapping]

    def rate(self, *, swapping: bool) -> float:
        """Rate of the bulk job's items; phases with and without a swap alternate, beginning without one."""
        phases = list(zip(self.done, self.done[1:], strict=False))[1 if swapping else 0 :: 2]
        return sum(b[1] - a[1] for a, b in phases) / sum(b[0] - a[0] for a, b in phases)


def registry(folder: Path) -> dict[str, str]:
    """Two versions of the bundle in a registry of their own, with the runs that made them; settings that lead there."""
    store = f"sqlite:///{folder}/mlflow.db"
    mlflow, name = MlflowClient(store), get_settings().registered_model
    mlflow.create_registered_model(name)
    served, runs = Bundle.load(local_bundle()), folder / "runs"
    experiment = mlflow.create_experiment("swap", artifact_location=runs.as_uri())
    for number in (1, 2):
        run = mlflow.create_run(experiment).info.run_id
        fusion = served.manifest.fusion.model_copy(update={"image_alone": number / 4})
        bundle = altered(served, runs / run / "artifacts/bundle", fusion=fusion)
        mlflow.create_model_version(name, bundle.folder.as_uri(), run_id=run, tags={"bundle": bundle.id})
    return {"CATALOG_MLFLOW_TRACKING_URI": store, "CATALOG_MODEL_CACHE": str(folder / "cache")}


def promote(system: System, version: str) -> None:
    """Returns once the worker serves it."""
    with httpx.Client(base_url=system.url, timeout=60) as api:
        told = api.post(f"/v1/models/{version}/promote", json={"force": True}).raise_for_status().json()
        bundle = next(model["bundle"] for model in told["models"] if model["version"] == version)
        system.workers[0].wait_until(lambda: api.get("/health").json()["bundles"] == [bundle], _SERVED_S)


def models_gone(worker: Process) -> int:
    """Number of models that it has freed: the previous one still finishes chunks when the next one serves."""
    return worker.log.read_text().count("is unloaded")


def measure(system: System, products: Sequence[Product], items: int, swaps: int, pause_s: float) -> Seen:
    """Raises `RuntimeError` where an item is lost or doubled."""
    seen, stopped, worker = Seen(), threading.Event(), system.workers[0]
    for version in ("1", "2"):  # fetched now: what is measured is the swap
        promote(system, version)
    job = system.submit(unseen(products, items, "bulk"))
    worker.wait_until(lambda: system.ledger.job(job).succeeded > 0, _SERVED_S)

    def client() -> None:
        for wait in ask(system, products, "swap", lambda _: not stopped.is_set()):
            seen.asked.append((time.perf_counter(), wait))

    def note() -> None:
        seen.done.append((time.perf_counter(), system.ledger.job(job).done))

    asking = threading.Thread(target=client)
    asking.start()
    before = models_gone(worker)
    seen.megabytes.append(resident_bytes(worker) / 1e6)
    note()
    for number in range(swaps):
        time.sleep(pause_s)
        note()
        start = time.perf_counter()
        promote(system, "12"[number % 2])
        seen.swaps.append((start, time.perf_counter()))
        note()
        worker.wait_until(lambda: models_gone(worker) == before + len(seen.swaps), _SERVED_S)
        time.sleep(_AFTER_S)
        seen.megabytes.append(resident_bytes(worker) / 1e6)
    stopped.set()
    asking.join()
    _check(system, job, items)
    return seen


def _check(system: System, job: str, items: int) -> None:
    for _ in system.progress(job):
        pass
    ended, indices = system.ledger.job(job), [result.index for result in system.catalog.results(job)]
    if sorted(indices) != list(range(items)) or sum(ended.bundles.values()) != items:
        raise RuntimeError(f"{len(indices)} results for {items} items: {ended.counts}, {dict(ended.bundles)}")


def main() -> None:
    parser = Options("swap", __doc__)
    pictures.add_options(parser)
    parser.add_amount("swaps", 10, 3)
    parser.add_amount("items", 4_000, 600, "pictures of the job, enough for all swaps")
    parser.add_amount("pause", 6.0, 3.0, "seconds between two swaps")
    chosen = parser.chosen()

    sample = pictures.load(chosen, 64)
    with TemporaryDirectory() as folder, System(Path(folder) / "state", 1, settings=registry(Path(folder))) as system:
        system.start_courier()
        with httpx.Client(base_url=system.url) as api:
            system.workers[0].wait_until(lambda: bool(api.get("/v1/models").json()["models"]), _SERVED_S)
        seen = measure(system, sample.products, chosen.items, chosen.swaps, chosen.pause)
        runtime = system.serving()[0]["runtime"]
    steady, swapping = seen.waits(swapping=False), seen.waits(swapping=True)
    slower = percentile(swapping, 0.99) / percentile(steady, 0.99)
    grown = seen.megabytes[-1] / seen.megabytes[1] - 1
    rows = [
        (
            name,
            len(waits),
            *(f"{1000 * percentile(waits, share):.0f}" for share in (0.5, 0.99, 1)),
            f"{seen.rate(swapping=name == 'during a swap'):.1f}",
        )
        for name, waits in (("steady", steady), ("during a swap", swapping))
    ]
    longest = max(end - start for start, end in seen.swaps)
    Result(
        name="swap",
        title="Hot swaps under load",
        target=f"nothing lost or doubled; /predict's p99 under {_SLOWER:g} times its usual value; "
        "no memory left behind",
        outcome=f"nothing lost; p99 {slower:.2f} times its usual value; memory {grown:+.1%} from the first to the last",
        reached=slower < _SLOWER and grown < _GROWTH,
        tables=[
            Table(("", "requests", "p50, ms", "p99, ms", "longest, ms", "bulk items/s"), rows),
            Table(
                ("at the start", *(f"after {number}" for number in range(1, len(seen.megabytes)))),
                [tuple(f"{value:.0f}" for value in seen.megabytes)],
                "The worker's resident memory in MB, by the number of swaps:",
            ),
        ],
        notes=[
            f"{chosen.swaps} swaps between two bundles, {runtime}; {sample.description}",
            f"from the request until the worker serves the other bundle: {longest:.1f} s at most",
            "both bundles had been fetched before; a new one must also be downloaded from MLflow, while the "
            "worker goes on",
        ],
        plot=Plot(
            {"worker": [(float(number), value) for number, value in enumerate(seen.megabytes)]},
            x="swaps",
            y="resident memory, MB",
        ),
        command=f"python -m benchmarks.swap{pictures.as_typed(chosen)} --swaps {chosen.swaps} --items {chosen.items}",
    ).save(chosen.output)
    print(f"p99 {slower:.2f} times, memory {grown:+.1%}, {[f'{value:.0f}' for value in seen.megabytes]} MB")


if __name__ == "__main__":
    main()
