"""What a classifying worker does when it is woken up, and how it tells that it lives."""

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from celery import Celery
from redis import RedisError

from shared.drift import Drift
from shared.ledger import TERMINAL, ItemStatus, JobState, Lease, Ledger, Outcome
from shared.model.bundle import Bundle
from shared.queues import Lane, tend_soon, wake
from shared.settings import Settings
from shared.stores.opening import open_blobs, open_redis
from shared.telemetry import logs
from shared.telemetry.tracing import Facts, SpanKind, fail, finish, span
from shared.telemetry.worker_status import HEARTBEAT_S, WorkerStatus, announce, withdraw
from worker import metrics
from worker.classify.caches import FeatureCache, PredictionCache, backbone_key
from worker.classify.classification import Classifier
from worker.classify.held_chunks import HeldChunks
from worker.classify.isolation import classify_apart
from worker.classify.outcomes import profile_of
from worker.classify.picture_source import PictureSource
from worker.classify.pictures import Pictures
from worker.process_health import HEARTBEAT_LIMIT_S, Watchdog
from worker.serving.batching import Priority
from worker.serving.champion import Champion
from worker.serving.engine import Engine
from worker.serving.handover import ModelSlot

log = logging.getLogger(__name__)

_FINISH_S = 5.0
"""What a worker that is told to stop gives its chunks to be done in; then it hands them back and ends."""


class ClassifierService:
    """One per process: the model, the chunks in hand, and a heartbeat that keeps their leases."""

    def __init__(self, app: Celery, settings: Settings, name: str) -> None:
        self._app = app
        self._name = name
        self._settings = settings
        self._redis = open_redis(settings)
        self._ledger = Ledger(self._redis)
        self._drift = Drift(self._redis, settings.keep_drift_days)
        self._sources = PictureSource(settings, open_blobs(settings))
        # One per lane: a bulk job's slow picture URLs must not hold up an interactive item.
        self._pools = {
            lane: ThreadPoolExecutor(settings.prepare_threads, thread_name_prefix=f"prepare-{lane}") for lane in Lane
        }
        self._bulk_slots = threading.BoundedSemaphore(settings.bulk_slots)
        self._apart = threading.Lock()
        self._chunks = HeldChunks(self._ledger, settings.chunk_timeout_s)
        self._champion = Champion(settings, self._redis, self._take_over)
        self._predictions = PredictionCache(self._redis, limit) if (limit := settings.cached_predictions) else None
        self._features: FeatureCache | None = None
        self._backbone = b""
        """Whose features those are."""
        self._model_slot = ModelSlot()
        self._draining = threading.Event()
        self._stopped = threading.Event()
        self.watchdog = Watchdog("the heartbeat", HEARTBEAT_LIMIT_S)
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._champion.start()
        self._heart.start()

    def drain(self) -> None:
        """Take no more chunks; finish those in hand, and hand back within seconds what is not done by then."""
        if not self._draining.is_set():
            self._draining.set()
            threading.Thread(target=self._end_in_time, name="drain", daemon=True).start()

    def stop(self) -> None:
        """Hand back what is still in hand, and say goodbye."""
        self._stopped.set()
        self._heart.join()
        self._leave()
        self._champion.stop()
        if self._features is not None:
            self._features.close()

    def readiness_problem(self) -> str | None:
        """Why it classifies nothing, for people; `None` where it does."""
        return "it is ending" if self._draining.is_set() else self._champion.problem

    def work(self, lane: Lane) -> None:
        """Take chunks of the lane, one after the other, while there are any and a slot is free for them.

        A wake-up per chunk would cost as much as a short chunk's work.
        """
        with self._slot(lane) as free:
            while free and not self._draining.is_set() and self._work(lane):
                pass

    def _work(self, lane: Lane) -> bool:
        """Take one chunk; whether there was one."""
        with self._model_slot.in_use() as classifier:
            lease = self._ledger.lease(lane) if classifier is not None else None
            if lease is None or classifier is None:
                return False
            if self._classify(lease, lane, classifier) in TERMINAL:
                tend_soon(self._app)
            return True

    def _classify(self, lease: Lease, lane: Lane, classifier: Classifier) -> JobState | None:
        """The job's state after the commit; `None` where there was none to make, or it came too late."""
        bundle = classifier.engine.bundle
        apart = lease.losses >= self._settings.isolate_after
        timeout_s = self._settings.item_timeout_s * len(lease.items) * 2 if apart else None
        facts = _facts(lease, lane, bundle)
        with (
            logs.bound(job=lease.job_id, chunk=lease.chunk),
            span("classify chunk", facts, kind=SpanKind.CONSUMER, within=lease.traceparent) as step,
        ):
            with metrics.chunk_seconds[lane].time(), self._chunks.hold(lease, timeout_s=timeout_s):
                if apart:
                    outcomes = self._outcomes_apart(lease, bundle)
                else:
                    priority = Priority.URGENT if lane is Lane.INTERACTIVE else Priority.BULK
                    outcomes = classifier.chunk(lease.items, self._pools[lane], priority, lease.tenant)
                step.set_attributes(_tally(outcomes))
                with span("commit"):
                    state = self._ledger.commit(lease, bundle.id, outcomes)
                if state is None:
                    metrics.chunk_ended(lane, metrics.ChunkEnd.LATE)
                else:
                    metrics.committed(lane, outcomes)
                    self._count(bundle, outcomes)
                return state
            fail(step, "chunk_failed")  # type: ignore[unreachable]  # what failed was handled by `hold`
            metrics.chunk_ended(lane, metrics.ChunkEnd.FAILED)
        return None

    def _count(self, bundle: Bundle, outcomes: list[Outcome]) -> None:
        """A chunk that is committed and not counted is no harm; one that is counted twice would be."""
        try:
            self._drift.count(bundle.id, profile_of(outcomes))
        except RedisError as error:
            log.warning("a chunk is missing in the drift of bundle %s: %s", bundle.id, error)

    def _outcomes_apart(self, lease: Lease, bundle: Bundle) -> list[Outcome]:
        log.warning("chunk %s was lost %d times: its items are computed apart", lease.member, lease.losses)
        metrics.APART.inc()
        with self._apart:  # one more model in memory, not several
            return classify_apart(lease.items, bundle.folder, self._settings)

    def _take_over(self, engine: Engine) -> None:
        """Let the engine serve; returns when the one before is no longer in use."""
        before, self._features = self._features, self._features_of(engine)
        pictures = Pictures(engine, self._sources, self._settings.max_image_pixels, self._features)
        self._model_slot.hand_over(Classifier(engine, pictures, self._predictions))
        metrics.serving(engine.bundle.id, engine.runtime.name, engine.micro_batch, engine.pictures_per_s)
        if before is not None and before is not self._features:
            before.close()
        self._tell()

    def _features_of(self, engine: Engine) -> FeatureCache | None:
        """A model with the same backbone goes on with the same ones."""
        settings = self._settings
        if not settings.cached_features:
            return None
        key = backbone_key(engine.bundle, engine.runtime.name)
        if self._features is not None and key == self._backbone:
            return self._features
        self._backbone = key
        return FeatureCache(settings.feature_cache, key, settings.cached_features)

    def _tell(self) -> None:
        """That a model is served, and take what waits: the wake-ups that came before it found nobody."""
        try:
            announce(self._redis, self._status())
            for lane in Lane:
                wake(self._app, lane, min(self._ledger.ready(lane), self._settings.bulk_slots))
        except RedisError as error:
            log.warning("what waits is left to the housekeeper: %s", error)

    @contextmanager
    def _slot(self, lane: Lane) -> Iterator[bool]:
        """Whether the worker may take one more chunk; bulk must leave threads free for interactive work."""
        if lane is Lane.INTERACTIVE:
            yield True
            return
        free = self._bulk_slots.acquire(blocking=False)
        try:
            yield free
        finally:
            if free:
                self._bulk_slots.release()

    def _end_in_time(self) -> None:
        """Celery would wait for its threads for ever, and one of them may wait for a slow host."""
        if not self._stopped.wait(_FINISH_S):
            log.warning("told to stop: what is not done is handed back")
            self._end(os.EX_OK)

    def _beat(self) -> None:
        while not self._stopped.is_set():
            self.watchdog.beat()
            try:
                announce(self._redis, self._status())
                self._chunks.renew()
                self._publish_reference()
            except RedisError as error:
                log.warning("heartbeat missed: %s", error)
                metrics.HEARTBEATS_MISSED.inc()
            if overdue := self._chunks.overdue():
                # A thread that stands still cannot be ended by itself; whoever supervises us starts a fresh worker.
                log.critical("chunks %s are not done in time: this worker ends", overdue)
                self._end(os.EX_SOFTWARE)
            self._stopped.wait(HEARTBEAT_S)

    def _publish_reference(self) -> None:
        """Apart from `_beat`, whose variable would hold a model that has gone until the next beat."""
        if engine := self._champion.engine:
            self._drift.publish(engine.bundle.id, engine.bundle.reference)

    def _end(self, status: int) -> None:
        self._leave()
        finish()
        logging.shutdown()
        os._exit(status)

    def _leave(self) -> None:
        self._draining.set()
        self._chunks.hand_back()
        try:
            withdraw(self._redis, self._name)
        except RedisError as error:
            log.warning("the worker's status is left to run out: %s", error)

    def _status(self) -> WorkerStatus:
        engine = self._champion.engine
        return WorkerStatus(
            name=self._name,
            bundle=engine.bundle.id if engine else None,
            runtime=engine.runtime.name if engine else None,
            reason=self._champion.reason,
            micro_batch=engine.micro_batch if engine else None,
            pictures_per_s=engine.pictures_per_s if engine else None,
            problem=self._champion.problem,
            warning=self._champion.warning,
            slots=self._settings.bulk_slots,
        )


def _facts(lease: Lease, lane: Lane, bundle: Bundle) -> Facts:
    """What a trace says of a chunk before it is classified."""
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
    """And after that."""
    return {
        "catalog.items.failed": sum(outcome.status is ItemStatus.FAILED for outcome in outcomes),
        "catalog.items.cached": sum(outcome.cached for outcome in outcomes),
    }
