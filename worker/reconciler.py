"""What fell between two stools: leases of vanished workers, chunks nobody was woken up for, messages that are due."""

import logging

from celery import Celery
from redis import Redis

from shared.ledger import Ledger
from shared.queues import DELIVER, TRACK, Lane, send, wake
from shared.workers import alive
from worker import tracking, webhooks

log = logging.getLogger(__name__)

_HOLD_S = 60.0


def tend(app: Celery, redis: Redis, ledger: Ledger) -> None:
    """Runs every few seconds, and whenever a job has ended."""
    lapsed = ledger.recover()
    if lapsed:
        log.warning("%d chunks of vanished workers are ready again", lapsed)
    slots = sum(worker.slots for worker in alive(redis) if worker.model)
    for lane in Lane:
        wake(app, lane, min(ledger.ready(lane), slots))
    send(app, DELIVER, ledger.take_due(webhooks.OUTBOX, _HOLD_S))
    send(app, TRACK, ledger.take_due(tracking.OUTBOX, _HOLD_S))
