"""Metrics of the engine and of the bundle that it serves, beside those of `worker/process/metrics.py`."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import Counter, Gauge, Histogram

import worker.process.metrics  # noqa: F401  # it turns off the series that say when each metric was created
from worker.serving.batching import EngineRequest, Kind, Priority

_MILLISECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_BATCH = Histogram(
    "catalog_engine_batch_size", "Inputs computed together.", ("network",), buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
_STAGE = Histogram(
    "catalog_engine_stage_seconds",
    "fetch and decode: per picture; wait: per request, until the engine takes it; compute: per micro-batch.",
    ("stage", "network"),
    buckets=_MILLISECONDS,
)
_WAITING = Gauge("catalog_engine_waiting_inputs", "Prepared inputs that wait for the engine.", ("priority",))
MICRO_BATCH = Gauge(
    "catalog_engine_micro_batch", "Pictures computed together, as measured at the start; 0: no model yet."
)
PICTURES_PER_S = Gauge("catalog_engine_pictures_per_second", "Speed of the model alone, as measured at the start.")

FETCH, DECODE = (_STAGE.labels(stage, Kind.PICTURE) for stage in ("fetch", "decode"))
_batch = {kind: _BATCH.labels(kind) for kind in Kind}
_wait = {kind: _STAGE.labels("wait", kind) for kind in Kind}
_compute = {kind: _STAGE.labels("compute", kind) for kind in Kind}
_waiting = {priority: _WAITING.labels(priority.name.lower()) for priority in Priority}


def submitted(request: EngineRequest) -> None:
    """Count the request's inputs as waiting for the engine."""
    _waiting[request.priority].inc(len(request.inputs))


def taken(batch: Sequence[EngineRequest]) -> None:
    """Count requests of one kind and priority as no longer waiting."""
    moment = time.perf_counter()
    for request in batch:
        _wait[request.kind].observe(moment - request.made_at)
        _waiting[request.priority].dec(len(request.inputs))


@contextmanager
def computing(kind: Kind, inputs: int) -> Iterator[None]:
    _batch[kind].observe(inputs)
    with _compute[kind].time():
        yield


_MODEL = Gauge("catalog_model_info", "1 for the bundle that this worker serves.", ("bundle", "runtime"))
SWAPS = Counter("catalog_bundle_swaps", "Bundles that have replaced another one while work went on.")
REFUSALS = Counter("catalog_bundle_refusals", "Bundles that should have served and could not.")


def serving(bundle: str, runtime: str, micro_batch: int, pictures_per_s: float | None) -> None:
    _MODEL.clear()
    _MODEL.labels(bundle, runtime).set(1)
    MICRO_BATCH.set(micro_batch)
    PICTURES_PER_S.set(pictures_per_s or 0)
