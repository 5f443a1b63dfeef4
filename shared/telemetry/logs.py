"""The form of a process's log, as text or as JSON, and the ids in its lines.

Ids are context variables, bound in one place per kind of work, so that code that logs need not know them. This is
standard logging with our own formatter: every library here logs that way, and structlog or python-json-logger would
still leave us to write the ids, the names of the fields, and the configuration of uvicorn and Celery.
"""

import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from typing import ParamSpec, TextIO, TypeVar

from shared.settings import Settings
from shared.telemetry import tracing

P = ParamSpec("P")
R = TypeVar("R")
Id = str | int

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_OURS = ("api", "shared", "training", "worker")
_CHATTY = ("alembic", "celery.app.trace", "celery.beat", "celery.worker.strategy", "httpx")
"""Libraries that log a line per wake-up, or per request with its whole URL; only their warnings are logged."""

_bound: ContextVar[Mapping[str, Id]] = ContextVar("ids", default={})  # noqa: B039  # never changed, only replaced


def configure(process: str, settings: Settings) -> None:
    """Make all loggers of this process write to standard error, in the form and at the level of the settings.

    The level applies to our own modules; libraries log at INFO or above, because below that their lines about requests
    and connections are not fit for a log.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(process) if settings.log_format == "json" else logging.Formatter(_TEXT))
    level: int = logging.getLevelNamesMapping()[settings.log_level]
    logging.basicConfig(level=max(level, logging.INFO), handlers=[handler], force=True)
    logging.captureWarnings(True)
    os.environ["MLFLOW_CONFIGURE_LOGGING"] = "false"  # it would print in another form
    for name in _OURS:
        logging.getLogger(name).setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def in_red(text: str, stream: TextIO | None = None) -> str:
    """The text in red if the stream, by default the log's, is a terminal and `NO_COLOR` is not set; else as it is."""
    terminal = (stream or sys.stderr).isatty() and "NO_COLOR" not in os.environ
    return f"\033[1;31m{text}\033[0m" if terminal else text


def bind(**ids: Id) -> None:
    """Add these ids to all lines logged from here on in this context."""
    _bound.set({**_bound.get(), **ids})


@contextmanager
def bound(**ids: Id) -> Iterator[None]:
    """Add these ids to all lines logged within the block."""
    token = _bound.set({**_bound.get(), **ids})
    try:
        yield
    finally:
        _bound.reset(token)


def ids() -> dict[str, Id]:
    """Return the ids of a line that is logged here."""
    return {**_bound.get(), **tracing.ids()}


def in_context(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap the function with the current ids and span, which threads of a pool do not have."""
    here = copy_context()

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        # A copy each time: a context is in one thread at a time.
        return here.copy().run(function, *args, **kwargs)

    return run


class JsonLines(logging.Formatter):
    """Writes an object per line, in ASCII because a line may quote half a surrogate pair, which UTF-8 cannot hold."""

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
