"""Trainings that the operator has put on a schedule; nothing else opens one by itself."""

import logging

from celery import Celery
from redis import Redis

from shared.ledger import Ledger, QueueFullError, TrainingRequest, Trainings, new_training
from shared.queues import wake_trainers
from shared.settings import Settings

log = logging.getLogger(__name__)

_SHOWN = 20


def open_scheduled(app: Celery, redis: "Redis", settings: Settings) -> str | None:
    """Open a training as `params.yaml` has it, promoted where it passes the gate.

    Returns:
        Its id; `None` where one of the tenant's waits or runs already, which will see the same labels.
    """
    ledger, trainings = Ledger(redis), Trainings(redis)
    if any(not known.job.ended for known in trainings.newest(settings.training_tenant, _SHOWN)):
        log.info("no training is opened by schedule: another one has not ended")
        return None
    job = ledger.new_id()
    trainings.stage(job, TrainingRequest(params={}))
    try:
        ledger.open(job, new_training(settings, settings.training_tenant))
    except QueueFullError:
        ledger.discard(job)
        log.warning("no training is opened by schedule: too many wait already")
        return None
    wake_trainers(app)
    log.info("training %s was opened by schedule", job)
    return job
