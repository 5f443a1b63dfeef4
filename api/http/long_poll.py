"""Waiting for a job's end without holding a thread."""

import math

from api.dependencies import Stores
from shared.ledger import Job, done_key


async def ended_within(stores: Stores, job: Job, seconds: float) -> bool:
    """Whether the job has ended by then; at once where it has already."""
    if job.ended or seconds <= 0:
        return job.ended
    done = done_key(job.id)
    # Moved onto itself, so that whoever else waits sees it too.
    return await stores.waiting.blmove(done, done, math.ceil(seconds), "LEFT", "RIGHT") is not None
