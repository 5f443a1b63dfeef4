"""Waiting for a job's end without holding a thread."""

import math

from redis.asyncio import Redis as AsyncRedis

from shared.ledger import Job, done_key


async def ended_within(redis: AsyncRedis, job: Job, seconds: float) -> bool:
    """Wait until the job has ended or the time is over; return whether it has ended."""
    if job.ended or seconds <= 0:
        return job.ended
    done = done_key(job.id)
    # Moved onto itself, so that every other request that waits sees it too.
    return await redis.blmove(done, done, math.ceil(seconds), "LEFT", "RIGHT") is not None
