"""Waiting for a job's end without holding a thread or a connection to Redis."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from api.http.held_requests import HeldRequests, HeldRequestsDep
from api.http.late_answers import LateAnswer
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

    caller: str
    notices: Notices
    held: HeldRequests
    wait_s: float

    async def answer(self, job: Job, now: Callable[[], Response], later: Callable[[], Response]) -> Response:
        """Answer now, or else once the job has ended or the client's time to wait is over.

        Args:
            now: The answer if there is nothing to wait for; called in a thread.
            later: The answer after a wait, for which the job is to be read again; called in a thread.
        """
        if job.ended or not self.wait_s:
            return await run_in_threadpool(now)

        async def wait_and_send(scope: Scope, receive: Receive, send: Send) -> None:
            with self.held.hold(self.caller):
                await ended_within(self.notices, job, self.wait_s)
            answer = await run_in_threadpool(later)
            await answer(scope, receive, send)

        return LateAnswer(wait_and_send)


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
    return LongPoll(request.state.caller, notices, held, wait)


LongPollDep = Annotated[LongPoll, Depends(_long_poll)]
