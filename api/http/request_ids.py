"""How requests are observed: an id for each, in its answer and its lines of the log; a span; uvicorn's log as ours."""

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
    "auto_configure": False,  # `observe` does it, as in every other process
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "exclude": lambda scope: scope.get("path", "").startswith(("/health", "/metrics")),
}
"""FastAPI's own spans: one per request, whatever it streams, which go on with a caller's `traceparent`."""

_WELL_FORMED = re.compile(r"[\w.:-]{1,128}", re.ASCII)
"""What goes into a log must be short, and cannot pass for anything else."""


def install(app: FastAPI) -> None:
    """Give every request an id: the caller's `X-Request-ID` where it is well formed, else one of our own."""
    app.add_middleware(_RequestIds)


def observe(settings: Settings) -> None:
    """Set up the log and the traces of a process that serves the API; uvicorn has set up its own loggers by now."""
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
    """A query may hold a webhook's URL with its secrets; what else is in the line are fields of their own."""
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
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _WELL_FORMED.fullmatch(given) else secrets.token_hex(12)
        scope.setdefault("state", {})["request_id"] = request_id
        # Not just while we are in here: what comes out of here as an exception is logged by uvicorn, in the same task.
        logs.bind(request_id=request_id, **tracing.ids())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, send_with_id)
