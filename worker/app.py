"""The Celery app of the workers: configuration only. Start it with `celery -A worker.app worker`."""

import logging
from collections.abc import Collection
from typing import Any

from celery.apps import worker as program
from celery.schedules import crontab
from celery.signals import celeryd_init, setup_logging, worker_shutdown

import worker.messages  # noqa: F401  # what it sets must be set before the first connection
from shared.queues import (
    AUDIT,
    DELIVERY,
    HOUSEKEEPING,
    OPEN_TRAINING,
    REFRESH_MODELS,
    SWEEP,
    TEND,
    TRAINING,
    celery_app,
)
from shared.settings import get_settings
from shared.telemetry import logs, tracing
from worker import process_port

_SCHEDULE = (
    ("tend", TEND, HOUSEKEEPING, 1.0),
    ("audit", AUDIT, HOUSEKEEPING, 30.0),
    ("sweep", SWEEP, HOUSEKEEPING, 3600.0),
    ("refresh-models", REFRESH_MODELS, DELIVERY, 30.0),
)
"""Name, task, queue and seconds."""


def _every(seconds: float, task: str, queue: str) -> dict[str, Any]:
    """A turn that was not taken in time is dropped: the next one does the same."""
    return {"task": task, "schedule": seconds, "options": {"queue": queue, "expires": max(5.0, seconds / 2)}}


def _at(line: str) -> dict[str, Any]:
    """Raises `ValueError` where it is no crontab line."""
    try:
        schedule = crontab.from_string(line)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"CATALOG_TRAINING_SCHEDULE: {line!r} is no crontab line such as '0 3 * * 0': {error}"
        ) from error
    return {"task": OPEN_TRAINING, "schedule": schedule, "options": {"queue": HOUSEKEEPING}}


def _schedule(trainings: str | None) -> dict[str, Any]:
    regular = {name: _every(seconds, task, queue) for name, task, queue, seconds in _SCHEDULE}
    return regular | ({"open-training": _at(trainings)} if trainings else {})


app = celery_app(get_settings())
app.Task.Strategy = "worker.messages:careful"
process_port.install(app)
app.conf.update(
    include=["worker.tasks"],
    beat_schedule=_schedule(get_settings().training_schedule),
)


_UNTRACED = "housekeeper"
"""It does nothing for a job that its others would not see, and forks a process for beat."""


def process_kind(queues: Collection[str]) -> str:
    """What a process is that listens on these queues."""
    kinds = {HOUSEKEEPING: _UNTRACED, DELIVERY: "courier", TRAINING: "trainer"}
    return next((kind for queue, kind in kinds.items() if queue in queues), "worker")


@celeryd_init.connect
def _observe(instance: Any, options: dict[str, Any], **_: Any) -> None:
    """As early as this, because what follows warns already."""
    settings, kind = get_settings(), process_kind(options.get("queues") or ())
    logs.configure(kind, settings)
    if kind != _UNTRACED:
        tracing.start(kind)
    if settings.log_format == "json":
        # Celery prints a banner and its shutdown: no place for either among lines of JSON.
        instance.quiet = True
        say = logging.getLogger(program.__name__).info
        program.safe_say = lambda message, *_: say(message)  # type: ignore[attr-defined]


@worker_shutdown.connect
def _finish_traces(**_: Any) -> None:
    tracing.finish()


@setup_logging.connect
def _leave_log(**_: Any) -> None:
    """As it is: Celery sets up its own where nobody listens to this."""
