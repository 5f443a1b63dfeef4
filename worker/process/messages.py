"""Makes a worker survive malformed messages and a broker that goes away."""

import logging
from typing import Any

from celery.worker.strategy import default
from kombu.transport.redis import Channel

log = logging.getLogger(__name__)

# When kombu closes a broken connection, it would put back unacknowledged messages over that same connection, and fail
# in a way that Celery takes for unrecoverable. A wake-up that is not put back is no loss.
Channel.do_restore = False

_acknowledge = Channel.basic_ack


def _acknowledge_where_open(channel: Any, delivery_tag: str, multiple: bool = False) -> None:
    """Drop an acknowledgement whose channel has been closed: it would end the worker."""
    if channel.connection is not None:
        _acknowledge(channel, delivery_tag, multiple=multiple)


Channel.basic_ack = _acknowledge_where_open  # type: ignore[assignment, method-assign]


def careful(task: Any, app: Any, consumer: Any, **options: Any) -> Any:
    """Celery's strategy for a task (`Task.Strategy`) that drops messages with a malformed body.

    Celery's own strategy would let such a message end the worker, and come back to end the next one.
    """
    handle = default(task, app, consumer, **options)

    def handle_or_drop(message: Any, *arguments: Any, **more: Any) -> None:
        try:
            handle(message, *arguments, **more)
        except Exception:
            log.exception("a message of %s is dropped", task.name)
            message.reject_log_error(log, (OSError,))

    return handle_or_drop
