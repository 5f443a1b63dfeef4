"""Repairs what no other process would notice: expired leases and deadlines, lost chunks, unreferenced pictures.

Celery beat runs it; `worker/tasks.py` says how often.
"""

import logging
from datetime import UTC, datetime, timedelta

from celery import Celery
from redis import Redis, RedisError

from shared.ledger import Audit, Ledger, Outbox
from shared.queues import DELIVERY, TRAINING, Lane, Task, messages_waiting, wake, wake_courier, wake_trainers
from shared.stores.blobs import Blobs
from shared.telemetry.logs import bound
from shared.telemetry.worker_status import alive, trainers_alive
from worker.classify.caches import PredictionCache
from worker.process import metrics

log = logging.getLogger(__name__)

_AT_ONCE = 100
"""Wake-ups for the courier that wait in its queue at most, for each of its outboxes."""
_BLOB_GRACE = timedelta(days=1)
"""A picture of this age that nothing refers to is removed; a younger one may belong to a job being accepted."""


class Reconciler:
    """Keeps the state that all processes share in order.

    Args:
        broker: Celery's, to look at its queues.
        cached_predictions: The number of cached predictions to keep.
    """

    def __init__(self, app: Celery, redis: "Redis", broker: "Redis", blobs: Blobs, cached_predictions: int) -> None:
        self._app = app
        self._redis = redis
        self._broker = broker
        self._ledger = Ledger(redis)
        self._audit = Audit(redis)
        self._outboxes = {Task.DELIVER: Outbox(redis, "webhook"), Task.TRACK: Outbox(redis, "tracking")}
        self._blobs = blobs
        self._predictions = PredictionCache(redis, cached_predictions)

    def reconcile(self) -> None:
        """Recover expired leases, expire overdue jobs, wake workers for waiting chunks, and send what is due."""
        if lapsed := self._ledger.recover():
            log.warning("%d chunks of vanished workers are ready again", lapsed)
            metrics.CHUNKS_RECOVERED.inc(lapsed)
        if expired := self._ledger.expire():
            log.info("%d jobs have expired", expired)
        self._ledger.free_cancelled()
        self._wake()
        metrics.TURNS.inc()

    def _wake(self) -> None:
        """Send wake-ups for what is ready or due, less those that wait in the broker's queues already.

        While nobody takes them, as during a courier's restart, their number does not grow.
        """
        try:
            waiting = messages_waiting(self._broker)
        except RedisError as error:
            log.warning("nobody is woken: the broker cannot be reached: %s", error)
            return
        slots = sum(worker.slots for worker in alive(self._redis) if worker.bundle)
        for lane in Lane:
            wake(self._app, lane, min(self._ledger.ready(lane), slots) - waiting[lane])
        idle = sum(trainer.training is None for trainer in trainers_alive(self._redis))
        wake_trainers(self._app, min(self._ledger.ready(TRAINING), idle) - waiting[TRAINING])
        for task, outbox in self._outboxes.items():
            wake_courier(self._app, task, min(outbox.due(), _AT_ONCE) - waiting[DELIVERY])

    def audit(self) -> None:
        """Restore lost chunks (neither ready, nor leased, nor committed), and count again what tenants hold."""
        self._audit.recount()
        for job in self._audit.live_jobs():
            if restored := self._audit.restore(job):
                with bound(job=job):
                    log.warning("job %s: %d chunks were lost and are ready again", job, restored)
                metrics.CHUNKS_RESTORED.inc(restored)

    def sweep(self) -> None:
        """Remove old pictures that nothing refers to, and cached predictions beyond the limit.

        A picture that a job starts to refer to meanwhile is safe: storing it again makes it young.
        """
        try:
            self._sweep_pictures()
        except OSError as error:
            log.warning("old pictures are left until the next turn: %s", error)
        if dropped := self._predictions.trim():
            log.info("%d cached predictions beyond the limit were dropped", dropped)

    def _sweep_pictures(self) -> None:
        """Raises `OSError` if the blob store cannot be reached."""
        moment = datetime.now(UTC) - _BLOB_GRACE
        old = set(self._blobs.older_than(moment))
        orphans = old - self._audit.blobs_in_use() if old else set()
        if removed := sum(self._blobs.remove(blob, moment) for blob in orphans):
            log.info("%d pictures that no job refers to were removed", removed)
            metrics.PICTURES_REMOVED.inc(removed)
