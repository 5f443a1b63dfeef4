"""A job for its own tenant only."""

from typing import Annotated

from fastapi import Depends

from api.access import ClassifyCaller
from api.dependencies import StoresDep
from shared.ledger import Job, JobNotFoundError


def own_job(job_id: str, stores: StoresDep, caller: ClassifyCaller) -> Job:
    """The caller's job; another tenant's is as unknown as one that never was (`JobNotFoundError`)."""
    job = stores.ledger.job(job_id)
    if job.tenant != caller.tenant:
        raise JobNotFoundError(job_id)
    return job


JobDep = Annotated[Job, Depends(own_job)]
