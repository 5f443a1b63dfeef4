"""The metrics of Celery processes, served by the process port; each kind of process uses its part of them.

Counters with known labels begin at 0, so that the first event shows as a rise.
"""

import time
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from shared.ledger import ItemStatus, Outcome
from shared.queues import Lane
from worker.serving.batching import EngineRequest, Kind, Priority

disable_created_metrics()  # type: ignore[no-untyped-call]  # the time at which each series began is of no use

_MILLISECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_HOURS = (60, 300, 900, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600)

# The engine

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


# Caches


class Cache(StrEnum):
    PREDICTIONS = "predictions"
    FEATURES = "features"


_HITS = Counter("catalog_cache_hits", "Looked up and found.", ("cache",))
_MISSES = Counter("catalog_cache_misses", "Looked up and not found.", ("cache",))
_hits = {cache: _HITS.labels(cache) for cache in Cache}
_misses = {cache: _MISSES.labels(cache) for cache in Cache}


def looked_up(cache: Cache, hits: int, misses: int) -> None:
    _hits[cache].inc(hits)
    _misses[cache].inc(misses)


# Chunks and items


class ChunkEnd(StrEnum):
    COMMITTED = "committed"
    LATE = "late"
    """The commit changed nothing: the job had ended, or another worker was first."""
    FAILED = "failed"
    """It was handed back, to be tried again."""


_ITEMS = Counter("catalog_items", "Items whose outcome was committed.", ("lane", "status"))
_ERRORS = Counter("catalog_item_errors", "Items that failed, by error code.", ("error",))
_CHUNKS = Counter("catalog_chunks", "Chunks that were worked on, by how the work ended.", ("lane", "end"))
_CHUNK_SECONDS = Histogram(
    "catalog_chunk_seconds", "From the lease of a chunk to the end of its work.", ("lane",), buckets=_SECONDS
)
APART = Counter(
    "catalog_chunks_apart", "Chunks lost repeatedly and therefore computed item by item in another process."
)

for _lane in Lane:
    for _status in (ItemStatus.SUCCEEDED, ItemStatus.FAILED):
        _ITEMS.labels(_lane, _status)
    for _end in ChunkEnd:
        _CHUNKS.labels(_lane, _end)
for _error in ("image_unreachable", "image_unreadable", "image_too_large", "image_lost", "nothing_to_classify"):
    _ERRORS.labels(_error)
chunk_seconds = {lane: _CHUNK_SECONDS.labels(lane) for lane in Lane}


def chunk_ended(lane: Lane, end: ChunkEnd) -> None:
    _CHUNKS.labels(lane, end).inc()


def committed(lane: Lane, outcomes: Sequence[Outcome]) -> None:
    chunk_ended(lane, ChunkEnd.COMMITTED)
    for status, items in Tally(outcome.status for outcome in outcomes).items():
        _ITEMS.labels(lane, status).inc(items)
    for error, items in Tally(outcome.error for outcome in outcomes if outcome.error).items():
        _ERRORS.labels(error).inc(items)


# The model

_MODEL = Gauge("catalog_model_info", "1 for the bundle that this worker serves.", ("bundle", "runtime"))
SWAPS = Counter("catalog_bundle_swaps", "Bundles that have replaced another one while work went on.")
REFUSALS = Counter("catalog_bundle_refusals", "Bundles that should have served and could not.")


def serving(bundle: str, runtime: str, micro_batch: int, pictures_per_s: float | None) -> None:
    _MODEL.clear()
    _MODEL.labels(bundle, runtime).set(1)
    MICRO_BATCH.set(micro_batch)
    PICTURES_PER_S.set(pictures_per_s or 0)


# Processes with a heartbeat

HEARTBEATS_MISSED = Counter("catalog_heartbeats_missed", "Heartbeats that did not reach Redis.")

# The housekeeper

TURNS = Counter("catalog_housekeeper_turns", "Times that the housekeeper has reconciled.")
CHUNKS_RECOVERED = Counter("catalog_chunks_recovered", "Chunks whose worker vanished, or could not process them.")
CHUNKS_RESTORED = Counter("catalog_chunks_restored", "Chunks that were lost: neither ready, nor leased, nor committed.")
PICTURES_REMOVED = Counter("catalog_pictures_removed", "Removed pictures that nothing referred to.")

# The courier


class WebhookEnd(StrEnum):
    DELIVERED = "delivered"
    FAILED = "failed"
    """The delivery is tried again."""
    GIVEN_UP = "given_up"
    """The last attempt failed."""
    DISABLED = "disabled"
    """The receiver answered 410 Gone."""
    PAUSED = "paused"
    """No attempt was made: the receiver kept failing, so its circuit breaker is open."""
    BUSY = "busy"
    """No attempt was made: other deliveries to the same receiver are under way."""


_WEBHOOKS = Counter("catalog_webhook_attempts", "Deliveries that were due, by outcome.", ("outcome",))
WEBHOOK_SECONDS = Histogram(
    "catalog_webhook_duration_seconds",
    "Duration of delivery attempts, until the receiver's answer or the failure.",
    buckets=_SECONDS,
)
_TRACKED = Counter("catalog_tracked_jobs", "Jobs that were to be logged to MLflow, by outcome.", ("outcome",))
LOGGED, POSTPONED = (_TRACKED.labels(outcome) for outcome in ("logged", "postponed"))

for _webhook in WebhookEnd:
    _WEBHOOKS.labels(_webhook)


def webhook(end: WebhookEnd) -> None:
    _WEBHOOKS.labels(end).inc()


# The trainer

TRAINING_SECONDS = Histogram(
    "catalog_training_seconds", "How long a trainer worked on a training, however it ended.", buckets=_HOURS
)
