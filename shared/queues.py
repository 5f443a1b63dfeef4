"""The queues and tasks of Celery, and the senders of their messages."""

import logging
from enum import StrEnum
from typing import Self

from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from shared.ledger import trainings
from shared.redis_access import PREFIX
from shared.redis_address import RedisAddress
from shared.settings import Settings

log = logging.getLogger(__name__)


class Lane(StrEnum):
    """Where the chunks of classifying jobs wait; each lane has a Celery queue of the same name."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


TRAINING = trainings.LANE
"""The lane, and the queue, of trainings."""
HOUSEKEEPING = "housekeeping"
"""The queue of recovery and expiry, with a process of its own so that nothing delays them."""
DELIVERY = "delivery"
"""The queue of webhooks, tracking and the model registry, with a process of its own because receivers may hang."""


MOST_WAITING = 1000
"""Wake-ups that wait in a queue at most: each wakes for any work there is when it is taken, so more are of no use."""


class Task(StrEnum):
    """The name of every task, and the queue that its messages wait in; `worker/tasks.py` holds the bodies."""

    queue: str

    def __new__(cls, name: str, queue: str) -> Self:
        task = str.__new__(cls, name)
        task._value_ = name
        task.queue = queue
        return task

    CLASSIFY = "catalog.classify", Lane.BULK  # or the queue of another lane
    TRAIN = "catalog.train", TRAINING
    DELIVER = "catalog.deliver", DELIVERY
    TRACK = "catalog.track", DELIVERY
    CHANGE_MODEL = "catalog.change_model", DELIVERY
    REFRESH_MODELS = "catalog.refresh_models", DELIVERY
    RECONCILE = "catalog.reconcile", HOUSEKEEPING
    AUDIT = "catalog.audit", HOUSEKEEPING
    SWEEP = "catalog.sweep", HOUSEKEEPING
    KEEP_PROMISES = "catalog.keep_promises", HOUSEKEEPING
    FIT_COLUMNS = "catalog.fit_columns", HOUSEKEEPING
    REMIND_COURIER = "catalog.remind_courier", HOUSEKEEPING
    OPEN_TRAINING = "catalog.open_training", HOUSEKEEPING


REFRESH_S = 30.0
"""How often the courier copies the model registry."""


def celery_app(settings: Settings) -> Celery:
    """Return the app that senders and workers share; `worker.app` adds the tasks.

    Messages are only wake-ups, acknowledged on receipt: the ledger's leases make up for lost ones. So neither Celery's
    redelivery nor its results are used.
    """
    address = RedisAddress.parse(settings.broker_url)
    app = Celery("catalog", set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        # An unreachable broker must be an error within seconds, in a request as well as in a worker. Senders take turns
        # with ten connections, and wait for one: sending takes milliseconds, so more would not be faster.
        broker_pool_limit=10,
        broker_pool_acquire_timeout=5,
        broker_connection_timeout=5,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        **address.celery_settings(
            {
                "socket_timeout": 30,
                "socket_connect_timeout": 5,
                "socket_keepalive": True,
                "health_check_interval": 10,
                "global_keyprefix": PREFIX,
            }
        ),
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0.1},
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_soft_shutdown_timeout=10,
        worker_send_task_events=settings.task_events,
        task_send_sent_event=settings.task_events,
        enable_utc=True,
    )
    return app


def wake(app: Celery, lane: Lane, count: int = 1) -> None:
    """Ask workers to take up to `count` chunks of the lane."""
    _send(app, Task.CLASSIFY, count, lane.value, queue=lane)


def wake_trainers(app: Celery, count: int = 1) -> None:
    """Ask trainers to look for a training."""
    _send(app, Task.TRAIN, count)


def wake_courier(app: Celery, task: Task, count: int) -> None:
    """Ask the courier to do the task for up to `count` jobs that are due in its outbox."""
    _send(app, task, count)


def refresh_models_soon(app: Celery) -> None:
    """Ask the courier to copy the model registry now rather than at the next scheduled time.

    A message that is not taken in time expires: the next one does the same.
    """
    _send(app, Task.REFRESH_MODELS, expires=REFRESH_S)


def reconcile_soon(app: Celery) -> None:
    """Ask the housekeeper to reconcile now rather than at the next scheduled time."""
    _send(app, Task.RECONCILE)


def change_model(app: Celery, ticket: str) -> None:
    """Ask the courier to change the champion.

    Raises:
        OperationalError, RedisError: the broker cannot be reached. A client is waiting, so the housekeeper cannot help.
    """
    app.send_task(Task.CHANGE_MODEL, args=[ticket], queue=Task.CHANGE_MODEL.queue)


def messages_waiting(broker: Redis) -> dict[str, int]:
    """Return the number of messages not yet taken, by queue.

    Raises:
        RedisError: the broker cannot be reached.
    """
    queues = (*(lane.value for lane in Lane), TRAINING, HOUSEKEEPING, DELIVERY)
    with broker.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.llen(PREFIX + queue)
        return dict(zip(queues, pipe.execute(), strict=True))


def _send(
    app: Celery, task: Task, count: int = 1, *arguments: str, queue: str | None = None, expires: float | None = None
) -> None:
    """Send the message up to `count` times, as far as the queue has room.

    Failing to is no error, because the housekeeper finds work without messages.
    """
    if count < 1:
        return
    queue = queue or task.queue
    try:
        with app.producer_or_acquire() as producer:
            room = MOST_WAITING - producer.channel.queue_declare(queue).message_count
            for _ in range(min(count, room)):
                app.send_task(task, args=arguments, queue=queue, expires=expires, producer=producer)
    except (OperationalError, RedisError) as error:
        log.warning("%s is left to the housekeeper: the broker cannot be reached: %s", task, error)
