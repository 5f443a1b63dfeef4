"""The Celery app of the workers: configuration only. Start it with `celery -A worker.app worker`."""

import logging
from typing import Any

from celery.signals import setup_logging

from shared.queues import HOUSEKEEPING, TEND, celery_app
from shared.settings import get_settings

app = celery_app(get_settings())
app.conf.update(
    include=["worker.tasks"],
    beat_schedule={
        "tend": {"task": TEND, "schedule": 2.0, "options": {"queue": HOUSEKEEPING, "expires": 10.0}},
    },
)


@setup_logging.connect
def _log_plainly(loglevel: int | str = "INFO", **_: Any) -> None:
    """Our own lines at `loglevel`; of Celery's only what matters, not one line per wake-up."""
    logging.basicConfig(level=loglevel, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("celery.app.trace", "celery.worker.strategy", "celery.beat", "httpx", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
