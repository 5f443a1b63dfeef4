"""What a classifying worker does when it is woken up, and how it tells that it lives."""

import logging
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from celery import Celery
from redis import RedisError

from shared.ledger import TERMINAL, JobState, Lease, Ledger, Outcome
from shared.queues import Lane, tend_soon, wake
from shared.settings import Settings
from shared.stores import open_blobs, open_redis
from shared.workers import HEARTBEAT_S, WorkerStatus, announce, withdraw
from worker.batching import Priority
from worker.champion import Champion
from worker.chunks import ChunksInHand
from worker.classification import Classifier
from worker.engine import Engine
from worker.isolation import classify_apart
from worker.sources import Sources

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
        self._sources = Sources(settings, open_blobs(settings))
        # One per lane: a bulk job's slow picture URLs must not hold up an interactive item.
        self._pools = {
            lane: ThreadPoolExecutor(settings.prepare_threads, thread_name_prefix=f"prepare-{lane}") for lane in Lane
        }
        self._bulk_slots = threading.BoundedSemaphore(settings.bulk_slots)
        self._apart = threading.Lock()
        self._chunks = ChunksInHand(self._ledger, settings.chunk_timeout_s)
        self._champion = Champion(settings)
        self._draining = threading.Event()
        self._stopped = threading.Event()
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

    def work(self, lane: Lane) -> None:
        """Take one chunk of the lane, if there is one and a slot for it, and wake the next worker up for the rest."""
        engine = self._champion.engine
        if engine is None or self._draining.is_set():
            return
        with self._slot(lane) as free:
            lease = self._ledger.lease(lane) if free else None
            if lease is None:
                return
            state = self._classify(lease, lane, engine)
        if state in TERMINAL:
            tend_soon(self._app)
        wake(self._app, lane)

    def _classify(self, lease: Lease, lane: Lane, engine: Engine) -> JobState | None:
        """The job's state after the commit; `None` where there was none to make, or it came too late."""
        apart = lease.losses >= self._settings.isolate_after
        timeout_s = self._settings.item_timeout_s * len(lease.items) * 2 if apart else None
        with self._chunks.hold(lease, timeout_s=timeout_s):
            outcomes = self._outcomes_apart(lease, engine) if apart else self._outcomes(lease, lane, engine)
            return self._ledger.commit(lease, engine.bundle.version, outcomes)
        return None  # type: ignore[unreachable]  # the failure was handled by `hold`

    def _outcomes(self, lease: Lease, lane: Lane, engine: Engine) -> list[Outcome]:
        priority = Priority.URGENT if lane is Lane.INTERACTIVE else Priority.BULK
        classifier = Classifier(engine, self._sources, self._settings.max_image_pixels)
        return classifier.chunk(lease.items, self._pools[lane], priority)

    def _outcomes_apart(self, lease: Lease, engine: Engine) -> list[Outcome]:
        log.warning("chunk %s was lost %d times: its items are computed apart", lease.member, lease.losses)
        with self._apart:  # one more model in memory, not several
            return classify_apart(lease.items, engine.bundle.folder, self._settings)

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
            try:
                announce(self._redis, self._status())
                self._chunks.renew()
            except RedisError as error:
                log.warning("heartbeat missed: %s", error)
            if overdue := self._chunks.overdue():
                # A thread that stands still cannot be ended by itself; whoever supervises us starts a fresh worker.
                log.critical("chunks %s are not done in time: this worker ends", overdue)
                self._end(os.EX_SOFTWARE)
            self._stopped.wait(HEARTBEAT_S)

    def _end(self, status: int) -> None:
        self._leave()
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
            model=engine.bundle.version if engine else None,
            runtime=engine.runtime.name if engine else None,
            reason=self._champion.reason,
            micro_batch=engine.micro_batch if engine else None,
            pictures_per_s=engine.pictures_per_s if engine else None,
            problem=self._champion.problem,
            slots=self._settings.bulk_slots,
        )
