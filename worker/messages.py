"""How a worker takes messages: neither one that makes no sense nor a broker that goes away ends it."""

import logging
from typing import Any

from celery.worker.consumer import Consumer
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


class SteadyConsumer(Consumer):
    """Celery's own (`worker_consumer`), which outlives its goodbye to a connection that has broken off.

    Closing it, kombu puts back what was received and not acknowledged: over that connection, which fails in ways that
    Celery takes for unrecoverable. Nothing is lost with a wake-up that is not put back.
    """

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        try:
            super().on_connection_error_after_connected(exc)
        except Exception as error:
            log.warning("the broken connection could not be closed in order: %r", error)
