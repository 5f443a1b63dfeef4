"""How a worker takes messages: neither one that makes no sense nor a broker that goes away ends it."""

import logging
from typing import Any

from celery.worker.strategy import default
from kombu.transport.redis import Channel

log = logging.getLogger(__name__)

# Closing a connection that has broken off, kombu would put back what was not acknowledged, over that very connection,
# and fail in a way that Celery takes for unrecoverable. A wake-up that is not put back is no loss.
Channel.do_restore = False

_acknowledge = Channel.basic_ack


def _acknowledge_where_open(channel: Any, delivery_tag: str, multiple: bool = False) -> None:
    """An acknowledgement that is due when its channel has been closed is dropped: it would end the worker."""
    if channel.connection is not None:
        _acknowledge(channel, delivery_tag, multiple=multiple)


Channel.basic_ack = _acknowledge_where_open  # type: ignore[assignment, method-assign]


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
