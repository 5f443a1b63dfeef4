"""A job for its own tenant only; trainings are none of the jobs that classify, nor the other way round."""

from typing import Annotated

from fastapi import Depends

from api.access.authentication import ClassifyCaller, TrainCaller
from api.dependencies import LedgerDep, TrainingsDep
from shared.ledger import Job, JobNotFoundError, Training
from shared.queues import TRAINING


def own_job(job_id: str, ledger: LedgerDep, caller: ClassifyCaller) -> Job:
    """The caller's job; another tenant's is as unknown as one that never was (`JobNotFoundError`)."""
    job = ledger.job(job_id)
    if job.tenant != caller.tenant or job.lane == TRAINING:
        raise JobNotFoundError(job_id)
    return job


def own_training(training_id: str, trainings: TrainingsDep, caller: TrainCaller) -> Training:
    """The caller's training, in the same way."""
    training = trainings.training(training_id)
    if training.job.tenant != caller.tenant:
        raise JobNotFoundError(training_id)
    return training


JobDep = Annotated[Job, Depends(own_job)]
TrainingDep = Annotated[Training, Depends(own_training)]
