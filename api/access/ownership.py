"""Jobs and trainings for their own tenant only."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends

from api.access.authentication import ClassifyCaller, ReviewCaller, TrainCaller
from api.dependencies import LedgerDep, TrainingsDep
from api.http.problems import Problem
from shared.ledger import Job, JobNotFoundError, Ledger, Training
from shared.queues import TRAINING


def own_job(job_id: str, ledger: LedgerDep, caller: ClassifyCaller) -> Job:
    """The caller's job; raises `JobNotFoundError` for another tenant's, as if it did not exist, and for a training."""
    return owned(ledger, job_id, caller.tenant)


def own_job_to_read(job_id: str, ledger: LedgerDep, caller: ReviewCaller) -> Job:
    """The same for callers who may read it, and do no more."""
    return owned(ledger, job_id, caller.tenant)


def owned(ledger: Ledger, job_id: str, tenant: str) -> Job:
    """Return the tenant's job; raises `JobNotFoundError` for anything else, as if it did not exist."""
    job = ledger.job(job_id)
    if job.tenant != tenant or job.lane == TRAINING:
        raise JobNotFoundError(job_id)
    return job


def own_training(training_id: str, trainings: TrainingsDep, caller: TrainCaller) -> Training:
    """The caller's training; raises `Problem` for another tenant's, as if it did not exist, and for any other job."""
    try:
        training = trainings.training(training_id)
    except JobNotFoundError:
        raise _no_training(training_id) from None
    if training.job.tenant != caller.tenant:
        raise _no_training(training_id)
    return training


JobDep = Annotated[Job, Depends(own_job)]
JobToReadDep = Annotated[Job, Depends(own_job_to_read)]
TrainingDep = Annotated[Training, Depends(own_training)]


def _no_training(training_id: str) -> Problem:
    detail = f"There is no training {training_id}: it never existed, or its record is no longer kept."
    return Problem(HTTPStatus.NOT_FOUND, "training-not-found", detail)
