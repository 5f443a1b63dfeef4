"""Waiting for a job's end without holding a thread."""

import math
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request
from redis.asyncio import Redis as AsyncRedis

from api.dependencies import LONGEST_WAIT_S, AsyncRedisDep
from api.http.held_requests import HeldRequests, HeldRequestsDep
from shared.ledger import Job, done_key


async def ended_within(redis: AsyncRedis, job: Job, seconds: float) -> bool:
    """Wait until the job has ended or the time is over; return whether it has ended."""
    if job.ended or seconds <= 0:
        return job.ended
    done = done_key(job.id)
    # Moved onto itself, so that every other request that waits sees it too.
    return await redis.blmove(done, done, math.ceil(seconds), "LEFT", "RIGHT") is not None


@dataclass(frozen=True)
class LongPoll:
    """A status request that may wait for the end."""

    request: Request
    redis: AsyncRedis
    held: HeldRequests
    wait_s: float

    async def waited(self, job: Job) -> bool:
        """Wait as long as the client asked for; return whether there was anything to wait for.

        Raises:
            Problem: the caller has too many requests that wait.
        """
        if job.ended or not self.wait_s:
            return False
        with self.held.hold(self.request.state.caller):
            await ended_within(self.redis, job, self.wait_s)
        return True


async def _long_poll(
    request: Request,
    redis: AsyncRedisDep,
    held: HeldRequestsDep,
    wait: Annotated[
        float,
        Query(ge=0, le=LONGEST_WAIT_S, description="Seconds to wait for the job's or training's end before answering."),
    ] = 0,
) -> LongPoll:
    return LongPoll(request, redis, held, wait)


LongPollDep = Annotated[LongPoll, Depends(_long_poll)]
