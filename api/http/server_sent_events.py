"""A job's changes as server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from typing import TypeVar

from fastapi.concurrency import run_in_threadpool
from fastapi.sse import ServerSentEvent
from redis import RedisError

T = TypeVar("T")

_EVENT_S = 0.5


async def follow(
    found: T,
    read: Callable[[], T],
    moment: Callable[[T], tuple[Hashable, bool]],
    render: Callable[[T], ServerSentEvent],
) -> AsyncIterator[ServerSentEvent]:
    """An event `progress` each time that it has changed; `end` comes last.

    Args:
        found: As it was read last.
        moment: What tells two readings apart, and whether it has ended.
    """
    shown: Hashable = None
    while True:
        now, ended = moment(found)
        if now != shown:
            event = await run_in_threadpool(render, found)
            yield event.model_copy(update={"event": "end" if ended else "progress"})
            shown = now
        if ended:
            return
        await asyncio.sleep(_EVENT_S)
        try:
            found = await run_in_threadpool(read)
        except RedisError:
            continue  # the stream outlives a restart of the store
