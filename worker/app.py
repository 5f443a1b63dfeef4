"""The Celery app of the workers: configuration only. Start it with `celery -A worker.app worker`."""

import logging
from typing import Any

from celery.schedules import crontab
from celery.signals import setup_logging

import worker.messages  # noqa: F401  # what it sets must be set before the first connection
from shared.queues import AUDIT, DELIVERY, HOUSEKEEPING, OPEN_TRAINING, REFRESH_MODELS, SWEEP, TEND, celery_app
from shared.settings import get_settings
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


@setup_logging.connect
def _log_plainly(loglevel: int | str = "INFO", **_: Any) -> None:
    """Our own lines at `loglevel`; of Celery's only what matters, not one line per wake-up."""
    logging.basicConfig(level=loglevel, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("celery.app.trace", "celery.worker.strategy", "celery.beat", "httpx", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
