"""Ends requests still under way when their key is revoked or ends: streams, waits, downloads and uploads alike."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from fastapi.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from api.http.problems import Problem
from shared.background import Background
from shared.tenants.api_keys import KeyStore

log = logging.getLogger(__name__)

_LOOK_S = 2.0
"""How often the keys of all requests under way are looked up, in one round trip."""
_EVENTS = b"text/event-stream"


class _Request:
    """A request under way, whose `state` names its key once the caller is known."""

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state
        self._task = asyncio.current_task()
        self.refused = False

    @property
    def key_id(self) -> str | None:
        key_id: str | None = self._state.get("caller_ids", {}).get("key")
        return key_id

    def end(self) -> None:
        if self._task is not None and not self.refused:
            self.refused = True
            self._task.cancel()

    def ended(self) -> bool:
        """Whether a cancellation of the request is ours, and no other one is under way."""
        return self.refused and self._task is not None and self._task.uncancel() == 0


class Revocations:
    """The requests under way in this process."""

    def __init__(self) -> None:
        self._requests: set[_Request] = set()

    async def watch(self, keys: KeyStore, background: Background) -> None:
        """End requests whose keys are revoked or have ended, until cancelled; a Redis that is away ends none."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if used := {request.key_id for request in self._requests if request.key_id is not None}:
                with background.turn():
                    self._end(await run_in_threadpool(keys.refused, used))

    def _end(self, refused: set[str]) -> None:
        for request in [request for request in self._requests if request.key_id in refused]:
            log.info("a request ends: its key %s is revoked or has ended", request.key_id)
            request.end()

    @contextmanager
    def under_way(self, state: dict[str, Any]) -> Iterator[_Request]:
        request = _Request(state)
        self._requests.add(request)
        try:
            yield request
        finally:
            self._requests.discard(request)


class EndWithKey:
    """A middleware, so that no route can forget it.

    A request without an answer yet gets 401. A stream of events ends as it does otherwise; any other answer breaks off,
    so that nobody takes half a download for a whole one.
    """

    def __init__(self, app: ASGIApp, revocations: Revocations) -> None:
        self._app = app
        self._revocations = revocations

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started: Message | None = None

        async def noting_start(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = message
            await send(message)

        with self._revocations.under_way(scope.setdefault("state", {})) as request:
            try:
                await self._app(scope, receive, noting_start)
            except asyncio.CancelledError:
                if not request.ended():
                    raise
                if started is None:
                    await _refused().response(scope["path"])(scope, receive, send)
                elif _is_stream_of_events(started):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _is_stream_of_events(start: Message) -> bool:
    headers = dict(start["headers"])
    return bool(headers.get(b"content-type", b"").startswith(_EVENTS))


def _refused() -> Problem:
    detail = "The API key was revoked, or has ended, while this request was under way."
    return Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})
