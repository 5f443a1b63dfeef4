"""Opens trainings on the operator's schedule; nothing else opens one without a request."""

import logging

from celery import Celery
from redis import Redis

from shared.ledger import Ledger, QueueFullError, TrainingRequest, Trainings, new_training
from shared.queues import wake_trainers
from shared.settings import Settings

log = logging.getLogger(__name__)

_SHOWN = 20


def open_scheduled(app: Celery, redis: "Redis", settings: Settings) -> str | None:
    """Open a training with the parameters of `params.yaml`, to be promoted if it passes the gate.

    Returns:
        Its id; `None` if the tenant's queue is full, or if a training of the tenant has not ended, which may use the
        same labels.
    """
    ledger, trainings = Ledger(redis), Trainings(redis)
    if any(not known.job.ended for known in trainings.newest(settings.training_tenant, _SHOWN)):
        log.info("the schedule opens no training: another one has not ended")
        return None
    job = ledger.new_id()
    trainings.stage(job, TrainingRequest(params={}))
    try:
        ledger.open(job, new_training(settings, settings.training_tenant))
    except QueueFullError:
        ledger.discard(job)
        log.warning("the schedule opens no training: too many are waiting")
        return None
    wake_trainers(app)
    log.info("training %s was opened by schedule", job)
    return job
