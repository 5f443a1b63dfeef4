"""What a classifying worker does when it is woken up, and how it tells that it lives."""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from celery import Celery
from redis import RedisError

from shared.ledger import TERMINAL, Lease
from shared.queues import Lane, tend_soon, wake
from shared.settings import Settings
from shared.stores import open_blobs, open_ledger, open_redis
from shared.workers import HEARTBEAT_S, WorkerStatus, announce, withdraw
from worker.champion import Champion
from worker.classification import classify
from worker.engine import BULK, URGENT
from worker.sources import Sources

log = logging.getLogger(__name__)


class ClassifierService:
    """One per process: the model, the chunks in hand, and a heartbeat that keeps their leases."""

    def __init__(self, app: Celery, settings: Settings, name: str) -> None:
        self._app = app
        self._name = name
        self._settings = settings
        self._redis = open_redis(settings)
        self._ledger = open_ledger(settings)
        self._sources = Sources(settings, open_blobs(settings))
        # One per lane: a bulk job's slow picture URLs must not hold up an interactive item.
        self._pools = {
            lane: ThreadPoolExecutor(settings.prepare_threads, thread_name_prefix=f"prepare-{lane}") for lane in Lane
        }
        self._bulk_slots = threading.BoundedSemaphore(settings.bulk_slots)
        self._held: dict[str, Lease] = {}
        self._champion = Champion(settings)
        self._stopped = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._champion.start()
        self._heart.start()

    def stop(self) -> None:
        """Hand back what is still in hand, and say goodbye."""
        self._stopped.set()
        self._heart.join()
        try:
            self._ledger.release(list(self._held.values()))
            withdraw(self._redis, self._name)
        except RedisError as error:
            log.warning("leases are left to run out: %s", error)
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)
        self._champion.stop()

    def work(self, lane: Lane) -> None:
        """Take one chunk of the lane, if there is one and a slot for it, and wake the next worker up for the rest."""
        engine = self._champion.engine
        if engine is None or self._stopped.is_set():
            return
        with self._slot(lane) as free:
            lease = self._ledger.lease(lane) if free else None
            if lease is None:
                return
            with self._hold(lease):
                priority = URGENT if lane is Lane.INTERACTIVE else BULK
                outcomes = classify(lease, engine, self._sources, self._pools[lane], priority)
                state = self._ledger.commit(lease, engine.bundle.version, outcomes)
        if state in TERMINAL:
            tend_soon(self._app)
        wake(self._app, lane)

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

    @contextmanager
    def _hold(self, lease: Lease) -> Iterator[None]:
        """Keep the lease alive; hand the chunk back when its work fails."""
        self._held[lease.member] = lease
        try:
            yield
        except Exception:
            self._ledger.release([lease])
            raise
        finally:
            del self._held[lease.member]

    def _beat(self) -> None:
        while not self._stopped.is_set():
            try:
                announce(self._redis, self._status())
                self._ledger.renew(list(self._held.values()))
            except RedisError as error:
                log.warning("heartbeat missed: %s", error)
            self._stopped.wait(HEARTBEAT_S)

    def _status(self) -> WorkerStatus:
        engine = self._champion.engine
        return WorkerStatus(
            name=self._name,
            model=engine.bundle.version if engine else None,
            runtime=engine.runtime.name if engine else None,
            problem=self._champion.problem,
            slots=self._settings.bulk_slots,
        )
