"""The changes of a job or a training as server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from typing import TypeVar

from fastapi.concurrency import run_in_threadpool
from fastapi.sse import ServerSentEvent
from redis import RedisError

T = TypeVar("T")

_EVENT_S = 0.5
"""How often a change is looked for."""


async def follow(
    current: T,
    read: Callable[[], T],
    moment: Callable[[T], tuple[Hashable, bool]],
    render: Callable[[T], ServerSentEvent],
) -> AsyncIterator[ServerSentEvent]:
    """Yield an event `progress` at each change, and `end` as the last one.

    Args:
        current: The latest reading.
        moment: Returns what distinguishes two readings, and whether the job has ended.
    """
    shown: Hashable = None
    while True:
        now, ended = moment(current)
        if now != shown:
            event = await run_in_threadpool(render, current)
            yield event.model_copy(update={"event": "end" if ended else "progress"})
            shown = now
        if ended:
            return
        await asyncio.sleep(_EVENT_S)
        try:
            current = await run_in_threadpool(read)
        except RedisError:
            continue  # the stream outlives a restart of the store
