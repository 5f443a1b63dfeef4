"""The metrics of Celery processes, served by the process port; each kind of process uses its part of them.

Counters with known labels begin at 0, so that the first event shows as a rise.
"""

from collections import Counter as Tally
from collections.abc import Sequence
from enum import StrEnum

from prometheus_client import Counter, Histogram, disable_created_metrics

from shared.ledger import ItemStatus, Outcome
from shared.queues import Lane

disable_created_metrics()  # type: ignore[no-untyped-call]  # the time at which each series began is of no use

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_HOURS = (60, 300, 900, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600)

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
    POSTPONED = "postponed"
    """It was handed back through no fault of its own, such as a blob store that is away."""


_ITEMS = Counter("catalog_items", "Items whose outcome was committed.", ("lane", "status"))
_PICTURES = Counter(
    "catalog_pictures", "Pictures of classified items, by whether the model looked at them.", ("looked_at",)
)
_REMEMBERED = Counter("catalog_items_remembered", "Items that were answered with what people had decided before.")
_PROVISIONAL = Counter(
    "catalog_items_provisional", "Items that were answered with a category that the bundle does not know yet."
)
_ERRORS = Counter("catalog_item_errors", "Items that failed, by error code.", ("error",))
_CHUNKS = Counter("catalog_chunks", "Chunks that were worked on, by how the work ended.", ("lane", "end"))
_CHUNK_SECONDS = Histogram(
    "catalog_chunk_seconds", "From the lease of a chunk to the end of its work.", ("lane",), buckets=_SECONDS
)
APART = Counter(
    "catalog_chunks_apart", "Chunks lost repeatedly and therefore computed item by item in another process."
)

for _looked_at in ("yes", "no"):
    _PICTURES.labels(_looked_at)
for _lane in Lane:
    for _status in (ItemStatus.SUCCEEDED, ItemStatus.FAILED):
        _ITEMS.labels(_lane, _status)
    for _end in ChunkEnd:
        _CHUNKS.labels(_lane, _end)
for _error in (
    "image_unreachable",
    "image_unreadable",
    "image_too_large",
    "image_too_costly",
    "image_lost",
    "nothing_to_classify",
):
    _ERRORS.labels(_error)
chunk_seconds = {lane: _CHUNK_SECONDS.labels(lane) for lane in Lane}


def chunk_ended(lane: Lane, end: ChunkEnd) -> None:
    _CHUNKS.labels(lane, end).inc()


def committed(lane: Lane, outcomes: Sequence[Outcome]) -> None:
    chunk_ended(lane, ChunkEnd.COMMITTED)
    for status, items in Tally(outcome.status for outcome in outcomes).items():
        _ITEMS.labels(lane, status).inc(items)
    _REMEMBERED.inc(sum(outcome.from_memory for outcome in outcomes))
    _PROVISIONAL.inc(sum(outcome.provisional for outcome in outcomes))
    _PICTURES.labels("no").inc(sum(outcome.not_looked_at for outcome in outcomes))
    _PICTURES.labels("yes").inc(sum(outcome.image is not None for outcome in outcomes))
    for error, items in Tally(outcome.error for outcome in outcomes if outcome.error).items():
        _ERRORS.labels(error).inc(items)


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
    HINDERED = "hindered"
    """No attempt was made: the courier lacks descriptors, memory or a name server."""


_WEBHOOKS = Counter("catalog_webhook_attempts", "Deliveries that were due, by outcome.", ("outcome",))
WEBHOOK_SECONDS = Histogram(
    "catalog_webhook_duration_seconds",
    "Duration of delivery attempts, until the receiver's answer or the failure.",
    buckets=_SECONDS,
)
_TRACKED = Counter("catalog_tracked_jobs", "Jobs that were to be logged to MLflow, by outcome.", ("outcome",))
LOGGED, POSTPONED, GONE, REFUSED = (_TRACKED.labels(outcome) for outcome in ("logged", "postponed", "gone", "refused"))

for _webhook in WebhookEnd:
    _WEBHOOKS.labels(_webhook)


def webhook(end: WebhookEnd) -> None:
    _WEBHOOKS.labels(end).inc()


# The trainer

TRAINING_SECONDS = Histogram(
    "catalog_training_seconds", "How long a trainer worked on a training, however it ended.", buckets=_HOURS
)
