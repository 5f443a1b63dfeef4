"""The changes of a job or a training as server-sent events.

All streams of a job in this process share one task, which reads the job and renders its event when something has
changed. So a stream costs a connection, and nothing while nothing changes. FastAPI's `EventSourceResponse` would give
each stream two tasks and two queues of its own.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable
from contextlib import aclosing, suppress
from contextvars import Context
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import ServerSentEvent, format_sse_event
from redis import RedisError
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from api.dependencies import service
from api.http.held_requests import HeldRequests, HeldRequestsDep
from api.http.late_answers import LateAnswer
from api.http.notices import Awaited, Notices, NoticesDep
from shared.ledger import CHANGES

T = TypeVar("T")

_PAUSE_S = 0.5
"""The shortest time between two events."""
_LOOK_S = 5.0
"""How often a change is looked for that nobody has told of."""
_PING_S = 10.0
"""After this time without an event the next look sends a comment, because proxies end connections that are silent."""
_END = "end"
_HEADERS = Headers(
    {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",  # nginx passes each event on at once
    }
)
_PING = ServerSentEvent(comment="ping")


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
        """Wait for a later event than this one, or a ping; raises what reading the job raises."""
        if self._latest is seen or self._latest is None:
            if not self._task.done():
                await self._changed.wait()
            if self._task.done():
                self._task.result()
        return _PING if self._latest is seen or self._latest is None else self._latest

    def stop(self) -> None:
        self._task.cancel()

    async def _follow(self) -> None:
        try:
            with self._notices.awaiting(CHANGES, self._job_id) as awaited:
                await self._show(awaited)
        finally:
            self._wake()

    async def _show(self, awaited: Awaited) -> None:
        clock = asyncio.get_running_loop().time
        shown: Hashable = None
        woken_at = clock()
        while True:
            known = awaited.changes
            event: ServerSentEvent | None = None
            ended = False
            with suppress(RedisError):  # a stream outlives a restart of the store
                shown, ended, event = await run_in_threadpool(self._look, shown)
            if event is not None:
                self._latest = event
            if event is not None or clock() - woken_at >= _PING_S:
                woken_at = clock()
                self._wake()
            if ended:
                return
            await awaited.over(_PAUSE_S)
            await awaited.changed(known, _LOOK_S)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

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

    async def follow(self, notices: Notices, job_id: str, view: View[T]) -> AsyncGenerator[ServerSentEvent, None]:
        """Yield an event `progress` at each change, `end` as the last one, and pings in between."""
        stream = self._open.get(job_id)
        if stream is None:
            stream = self._open[job_id] = _Stream(notices, job_id, view)
        stream.callers += 1
        event: ServerSentEvent | None = None
        try:
            while event is None or event.event != _END:
                later = await stream.after(event)
                if later is not _PING:
                    event = later
                yield later
        finally:
            stream.callers -= 1
            if not stream.callers:
                stream.stop()
                del self._open[job_id]


StreamsDep = Annotated[Streams, service(lambda _: Streams())]


class EventStream(Response):
    """The class that a route of events declares."""

    media_type = "text/event-stream"


@dataclass(frozen=True)
class Events:
    """A request for the events of a job or a training."""

    caller: str
    streams: Streams
    notices: Notices
    held: HeldRequests

    def of(self, job_id: str, view: View[T]) -> Response:
        """The answer."""

        async def stream(scope: Scope, receive: Receive, send: Send) -> None:
            with self.held.hold(self.caller):
                try:
                    async with asyncio.TaskGroup() as both:
                        watching = both.create_task(_watch(receive))
                        await self._send(job_id, view, send)
                        watching.cancel()
                except* ClientDisconnect:
                    pass  # nobody reads the stream any more

        return LateAnswer(stream)

    async def _send(self, job_id: str, view: View[T], send: Send) -> None:
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": _HEADERS.raw})
        async with aclosing(self.streams.follow(self.notices, job_id, view)) as events:
            async for event in events:
                await send({"type": "http.response.body", "body": _text(event), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _watch(receive: Receive) -> None:
    """Raise `ClientDisconnect` when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    raise ClientDisconnect


def _text(event: ServerSentEvent) -> bytes:
    return format_sse_event(
        data_str=event.raw_data, event=event.event, id=event.id, retry=event.retry, comment=event.comment
    )


async def _events(request: Request, streams: StreamsDep, notices: NoticesDep, held: HeldRequestsDep) -> Events:
    return Events(request.state.caller, streams, notices, held)


EventsDep = Annotated[Events, Depends(_events)]
