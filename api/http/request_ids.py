"""Observing requests: an id for each, in its answer and its log lines beside the caller's; a span; uvicorn's log."""

import logging
import re
import secrets

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.settings import Settings
from shared.telemetry import logs, tracing

HEADER = "X-Request-ID"

TRACED: TelemetryConfig = {
    "auto_configure": False,  # `observe` does that, as in every other process
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "exclude": lambda scope: scope.get("path", "").startswith(("/health", "/metrics")),
}
"""FastAPI's own spans: one per request, streamed or not, continuing a caller's `traceparent`."""

_WELL_FORMED = re.compile(r"[\w.:-]{1,128}", re.ASCII)
"""An id that is short and cannot be mistaken for anything else in a log."""


def install(app: FastAPI) -> None:
    """Give every request an id: the caller's `X-Request-ID` if it is well formed, otherwise a new one."""
    app.add_middleware(_RequestIds)


def observe(settings: Settings) -> None:
    """Set up log and traces of a process that serves the API, after uvicorn has set up its own loggers."""
    logs.configure("api", settings)
    tracing.start("api")
    for name in ("uvicorn", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in ("uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(max(logging.getLogger("api").level, logging.INFO))
    logging.getLogger("uvicorn.access").addFilter(_without_query)


def _without_query(record: logging.LogRecord) -> bool:
    """Drop the query, which may hold a webhook URL with credentials, and make the rest of the line fields."""
    if isinstance(record.args, tuple):
        client, method, target, version, status = record.args
        path = str(target).partition("?")[0]
        record.args = (client, method, path, version, status)
        record.fields = {"client": client, "method": method, "path": path, "status": status}
    return True


class _RequestIds:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        header = Headers(scope=scope).get(HEADER, "")
        request_id = header if _WELL_FORMED.fullmatch(header) else secrets.token_hex(12)
        scope.setdefault("state", {})["request_id"] = request_id
        # Bound for the rest of the task, because uvicorn logs an exception in the same task, after this middleware.
        logs.bind(request_id=request_id, **tracing.ids())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Bound here and not where the caller is recognised: that runs in a thread, with a context of its own.
                logs.bind(**scope["state"].get("caller_ids", {}))
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)
