"""Takes a leased chunk to its commit: its outcomes, its trace, its figures, and another try if it fails."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from redis import Redis, RedisError

from shared.drift import Drift
from shared.ledger import ItemStatus, JobState, Lease, Ledger, Outcome, PictureUse
from shared.model.bundle import Bundle
from shared.queues import Lane
from shared.settings import Settings
from shared.telemetry import logs
from shared.telemetry.tracing import Facts, SpanKind, current_span, fail, span
from worker.classify.acceptance import AcceptedAnswers
from worker.classify.classification import Classifier
from worker.classify.held_chunks import HeldChunks
from worker.classify.isolation import IsolationError, classify_isolated, longest_item_s
from worker.classify.lane_slots import LaneSlots
from worker.classify.outcomes import profile_of
from worker.classify.provisional import ProvisionalCategories
from worker.classify.remembered import RememberedItems
from worker.classify.trouble import Trouble
from worker.process import metrics
from worker.serving.batching import Priority

log = logging.getLogger(__name__)

_SPARE_S = 60.0
"""An isolated item ends within its own limits: only if these fail is the thread stuck, and the worker exits."""


class _BusyError(RuntimeError):
    """Another chunk is being computed in isolation."""


class ChunkProcessor:
    """Classifies and commits chunks; used by many threads at once."""

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        chunks: HeldChunks,
        slots: LaneSlots,
        trouble: Trouble,
        acceptance: AcceptedAnswers,
    ) -> None:
        self._settings = settings
        self._ledger = Ledger(redis)
        self._drift = Drift(redis, settings.keep_drift_days)
        self._remembered = RememberedItems(redis)
        self._provisional = ProvisionalCategories(redis)
        self._chunks = chunks
        self._slots = slots
        self._trouble = trouble
        self._acceptance = acceptance
        self._isolating = threading.Lock()

    def process(self, lease: Lease, lane: Lane, classifier: Classifier) -> JobState | None:
        """Classify and commit the chunk; if that fails, hand it back to be tried again.

        Returns:
            The job's state after the commit; `None` if nothing was committed.
        """
        bundle = classifier.engine.bundle
        with (
            logs.bound(job=lease.job_id, chunk=lease.chunk),
            span("classify chunk", _facts(lease, lane, bundle), kind=SpanKind.CONSUMER, within=lease.traceparent),
            metrics.chunk_seconds[lane].time(),
        ):
            try:
                with self._chunks.hold(lease, timeout_s=self._timeout_s(lease)) as progressed:
                    answers = self._answers(lease, lane, classifier, progressed)
                    return self._commit(lease, lane, bundle, answers)
            except (OSError, IsolationError, _BusyError) as error:
                if not isinstance(error, _BusyError):
                    fail(current_span(), "chunk_postponed")
                    self._trouble.note(error)
                metrics.chunk_ended(lane, metrics.ChunkEnd.POSTPONED)
                self._chunks.postpone(lease)
                return None
            except Exception as error:
                fail(current_span(), "chunk_failed")
                metrics.chunk_ended(lane, metrics.ChunkEnd.FAILED)
                self._chunks.retry_later(lease, error)
                return None

    def _answers(self, lease: Lease, lane: Lane, classifier: Classifier, progressed: Callable[[], None]) -> "_Answers":
        if lease.explain:  # what people have decided does not say why the model answers as it does
            computed = self._computed(lease, lane, classifier, progressed)
            explained = self._acceptance.of(lease, classifier.engine.bundle, computed)
            return _Answers(explained, explained)
        projection = classifier.projections.now()
        remembered = self._remembered.answers(lease.tenant, lease.items, projection.taxonomy)
        rest = [item for item in lease.items if item.index not in remembered.outcomes]
        computed = self._computed(replace(lease, items=rest), lane, classifier, progressed) if rest else []
        judged = self._acceptance.of(lease, classifier.engine.bundle, computed)
        by_model = [*map(remembered.applied, judged)]
        named = self._provisional.named(lease.tenant, rest, by_model, projection)
        return _Answers([*remembered.outcomes.values(), *named], by_model)

    def _computed(
        self, lease: Lease, lane: Lane, classifier: Classifier, progressed: Callable[[], None]
    ) -> list[Outcome]:
        if self._is_suspect(lease):
            return self._isolated_outcomes(lease, classifier, progressed)
        priority = Priority.URGENT if lane is Lane.INTERACTIVE else Priority.BULK
        pool = self._slots.pool(lane)
        items, use = lease.items, lease.pictures
        return classifier.chunk(items, pool, priority, lease.tenant, use, progressed, explain=lease.explain)

    def _isolated_outcomes(self, lease: Lease, classifier: Classifier, progressed: Callable[[], None]) -> list[Outcome]:
        # One at a time, so that only one more model is in memory. Nobody waits for it in one of the worker's slots.
        if not self._isolating.acquire(blocking=False):
            raise _BusyError
        try:
            log.warning("chunk %s was lost %d times: its items are computed in isolation", lease.member, lease.losses)
            metrics.APART.inc()
            folder, taxonomy = classifier.engine.bundle.folder, classifier.projections.now().taxonomy
            return classify_isolated(lease.items, folder, taxonomy, lease.pictures, self._settings, progressed)
        finally:
            self._isolating.release()

    def _is_suspect(self, lease: Lease) -> bool:
        """Whether the chunk was lost so often that one of its items may be the cause."""
        return lease.losses >= self._settings.isolate_after

    def _timeout_s(self, lease: Lease) -> float | None:
        """How long no part of the work may be done; `None` for the usual limit."""
        return _SPARE_S + longest_item_s(self._settings) if self._is_suspect(lease) else None

    def _commit(self, lease: Lease, lane: Lane, bundle: Bundle, answers: "_Answers") -> JobState | None:
        current_span().set_attributes(_tally(answers.outcomes))
        with span("commit"):
            state = self._ledger.commit(lease, bundle.id, answers.outcomes)
        if state is None:
            metrics.chunk_ended(lane, metrics.ChunkEnd.LATE)
        else:
            metrics.committed(lane, answers.outcomes)
            if not lease.explain:
                self._count(bundle, lease.pictures, answers.by_model)
        return state

    def _count(self, bundle: Bundle, use: PictureUse, outcomes: list[Outcome]) -> None:
        """Add the outcomes to the drift counters, at most once: a missing chunk does no harm, a doubled one would."""
        decided = bundle.manifest.cascade is not None and use is PictureUse.WHEN_NEEDED
        try:
            self._drift.count(bundle.id, profile_of(outcomes, decided=decided), bundle.reference)
        except RedisError as error:
            log.warning("a chunk is missing in the drift of bundle %s: %s", bundle.id, error)


class _Answers(NamedTuple):
    """The outcomes of a chunk."""

    outcomes: list[Outcome]
    by_model: list[Outcome]
    """What the model was asked about, with its own answers: drift is the model's, whatever else is made of them."""


def _facts(lease: Lease, lane: Lane, bundle: Bundle) -> Facts:
    """Span attributes known before the chunk is classified."""
    return {
        "catalog.job": lease.job_id,
        "catalog.chunk": lease.chunk,
        "catalog.lane": lane.value,
        "catalog.items": len(lease.items),
        "catalog.attempt": lease.attempt,
        "catalog.losses": lease.losses,
        "catalog.bundle": bundle.id,
    }


def _tally(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Span attributes known only after the chunk is classified."""
    return {
        "catalog.items.failed": sum(outcome.status is ItemStatus.FAILED for outcome in outcomes),
        "catalog.items.cached": sum(outcome.cached for outcome in outcomes),
        "catalog.items.remembered": sum(outcome.from_memory for outcome in outcomes),
        "catalog.items.provisional": sum(outcome.provisional for outcome in outcomes),
        "catalog.items.not_looked_at": sum(outcome.not_looked_at for outcome in outcomes),
    }
