"""The changes of a job or a training as server-sent events.

All streams of a job in this process share one task, which reads the job and renders its event when something has
changed. So a stream costs a connection, and nothing while nothing changes.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi.concurrency import run_in_threadpool
from fastapi.sse import ServerSentEvent
from redis import RedisError

from api.dependencies import service
from api.http.notices import Awaited, Notices
from shared.ledger import CHANGES

T = TypeVar("T")

_PAUSE_S = 0.5
"""The shortest time between two events."""
_LOOK_S = 5.0
"""How often a change is looked for that nobody has told of."""
_END = "end"


@dataclass(frozen=True)
class View(Generic[T]):
    """How a kind of job is shown; all are called in a thread."""

    read: Callable[[], T]
    moment: Callable[[T], tuple[Hashable, bool]]
    """Returns what distinguishes two readings, and whether the job has ended."""
    render: Callable[[T], ServerSentEvent]


class _Stream(Generic[T]):
    """The latest event of a job. A caller that takes its time misses those in between."""

    def __init__(self, notices: Notices, job_id: str, view: View[T]) -> None:
        self.callers = 0
        self._notices = notices
        self._job_id = job_id
        self._view = view
        self._latest: ServerSentEvent | None = None
        self._changed = asyncio.Event()
        # In a context of its own: it belongs to no single request.
        self._task = asyncio.create_task(self._follow(), context=Context())

    async def after(self, seen: ServerSentEvent | None) -> ServerSentEvent:
        """Wait for a later event than this one; raises what reading the job raises."""
        while self._latest is seen or self._latest is None:
            if self._task.done():
                self._task.result()
            await self._changed.wait()
        return self._latest

    def stop(self) -> None:
        self._task.cancel()

    async def _follow(self) -> None:
        try:
            with self._notices.awaiting(CHANGES, self._job_id) as awaited:
                await self._show(awaited)
        finally:
            self._changed.set()

    async def _show(self, awaited: Awaited) -> None:
        shown: Hashable = None
        while True:
            known = awaited.changes
            with suppress(RedisError):  # a stream outlives a restart of the store
                moment, ended, event = await run_in_threadpool(self._look, shown)
                shown = moment
                if event is not None:
                    self._latest = event
                    self._changed.set()
                    self._changed = asyncio.Event()
                if ended:
                    return
            await awaited.over(_PAUSE_S)
            await awaited.changed(known, _LOOK_S)

    def _look(self, shown: Hashable) -> tuple[Hashable, bool, ServerSentEvent | None]:
        now = self._view.read()
        moment, ended = self._view.moment(now)
        if moment == shown:
            return moment, ended, None
        event = self._view.render(now)
        # As the bytes that every stream sends.
        text = {"data": None, "raw_data": event.data.model_dump_json(), "event": _END if ended else "progress"}
        return moment, ended, event.model_copy(update=text)


class Streams:
    """The streams in this process, by job; used by one event loop alone."""

    def __init__(self) -> None:
        self._open: dict[str, _Stream[Any]] = {}

    async def follow(self, notices: Notices, job_id: str, view: View[T]) -> AsyncIterator[ServerSentEvent]:
        """Yield an event `progress` at each change, and `end` as the last one."""
        stream = self._open.get(job_id)
        if stream is None:
            stream = self._open[job_id] = _Stream(notices, job_id, view)
        stream.callers += 1
        event: ServerSentEvent | None = None
        try:
            while event is None or event.event != _END:
                event = await stream.after(event)
                yield event
        finally:
            stream.callers -= 1
            if not stream.callers:
                stream.stop()
                del self._open[job_id]


StreamsDep = Annotated[Streams, service(lambda _: Streams())]
