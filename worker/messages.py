"""How a worker takes a message: one that makes no sense is dropped, and ends nobody."""

import logging
from typing import Any

from celery.worker.strategy import default

log = logging.getLogger(__name__)


def careful(task: Any, app: Any, consumer: Any, **options: Any) -> Any:
    """Celery's strategy for a task (`Task.Strategy`), which drops a message whose body has not the shape of one.

    Without it such a message is an unrecoverable error of the worker, and comes back to end the next one.
    """
    handle = default(task, app, consumer, **options)

    def handle_or_drop(message: Any, *arguments: Any, **more: Any) -> None:
        try:
            handle(message, *arguments, **more)
        except Exception:
            log.exception("a message of %s is dropped", task.name)
            message.reject_log_error(log, (OSError,))

    return handle_or_drop
