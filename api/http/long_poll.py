"""Waiting for a job's end without holding a thread or a connection to Redis."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request

from api.http.held_requests import HeldRequests, HeldRequestsDep
from api.http.notices import Notices, NoticesDep
from shared.ledger import CHANGES, Job

_LONGEST_WAIT_S = 30


async def ended_within(notices: Notices, job: Job, seconds: float) -> bool:
    """Wait until the job has ended or the time is over; return whether it has ended."""
    if job.ended or seconds <= 0:
        return job.ended
    with notices.awaiting(CHANGES, job.id) as awaited:
        return await awaited.over(seconds)


@dataclass(frozen=True)
class LongPoll:
    """A status request that may wait for the end."""

    request: Request
    notices: Notices
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
            await ended_within(self.notices, job, self.wait_s)
        return True


async def _long_poll(
    request: Request,
    notices: NoticesDep,
    held: HeldRequestsDep,
    wait: Annotated[
        float,
        Query(
            ge=0, le=_LONGEST_WAIT_S, description="Seconds to wait for the job's or training's end before answering."
        ),
    ] = 0,
) -> LongPoll:
    return LongPoll(request, notices, held, wait)


LongPollDep = Annotated[LongPoll, Depends(_long_poll)]
