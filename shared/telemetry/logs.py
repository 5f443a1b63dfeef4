"""What a process' log looks like, as text or as JSON, and which ids its lines carry.

Ids are context variables, bound in one place per kind of work, so whoever logs need not know them. Standard logging
with a formatter of our own: every library here logs that way, and with structlog or python-json-logger the ids, the
names of the fields and the taming of uvicorn and Celery would be left to write all the same.
"""

import json
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

from shared.settings import Settings
from shared.telemetry import tracing

P = ParamSpec("P")
R = TypeVar("R")
Id = str | int

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_OURS = ("api", "shared", "training", "worker")
_CHATTY = ("alembic", "celery.app.trace", "celery.beat", "celery.worker.strategy", "httpx")
"""A line per wake-up, or per request with its whole URL: only what matters of them."""

_bound: ContextVar[Mapping[str, Id]] = ContextVar("ids", default={})  # noqa: B039  # never changed, only replaced


def configure(process: str, settings: Settings) -> None:
    """Let all loggers of this process write to standard error, in the form and at the level of the settings.

    The level is our own modules'; libraries stay at INFO at least, because what they tell of requests and connections
    below that is not fit for a log.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(process) if settings.log_format == "json" else logging.Formatter(_TEXT))
    level: int = logging.getLevelNamesMapping()[settings.log_level]
    logging.basicConfig(level=max(level, logging.INFO), handlers=[handler], force=True)
    logging.captureWarnings(True)
    os.environ["MLFLOW_CONFIGURE_LOGGING"] = "false"  # it would print in a form of its own
    for name in _OURS:
        logging.getLogger(name).setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def bind(**ids: Id) -> None:
    """Let what is logged from here on, in this context, carry these ids."""
    _bound.set({**_bound.get(), **ids})


@contextmanager
def bound(**ids: Id) -> Iterator[None]:
    """The same for what is logged within."""
    token = _bound.set({**_bound.get(), **ids})
    try:
        yield
    finally:
        _bound.reset(token)


def ids() -> dict[str, Id]:
    """What a line that is logged here carries."""
    return {**_bound.get(), **tracing.ids()}


def in_context(function: Callable[P, R]) -> Callable[P, R]:
    """The function with ids and span of this moment, for the threads of a pool, which have none of their own."""
    here = copy_context()

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        # A copy each time: a context is in one thread at a time.
        return here.copy().run(function, *args, **kwargs)

    return run


class JsonLines(logging.Formatter):
    """An object per line. In ASCII: a line may quote what UTF-8 cannot hold, such as half a surrogate pair."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process
        self._host = socket.gethostname()

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": self._process,
            "host": self._host,
            "pid": os.getpid(),
            **ids(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = self.formatStack(record.stack_info)
        return json.dumps(fields)
