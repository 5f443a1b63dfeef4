"""The queues and tasks of Celery, and the senders of their messages."""

import logging
from collections.abc import Iterable
from enum import StrEnum
from typing import Self

from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from shared.ledger import trainings
from shared.redis_access import PREFIX
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
    OPEN_TRAINING = "catalog.open_training", HOUSEKEEPING


def celery_app(settings: Settings) -> Celery:
    """Return the app that senders and workers share; `worker.app` adds the tasks.

    Messages are only wake-ups, acknowledged on receipt: the ledger's leases make up for lost ones. So neither Celery's
    redelivery nor its results are used.
    """
    app = Celery("catalog", broker=settings.broker_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        # An unreachable broker must be an error within seconds, in a request as well as in a worker.
        broker_pool_acquire_timeout=5,
        broker_connection_timeout=5,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "global_keyprefix": PREFIX,
        },
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
    _send(app, Task.CLASSIFY, [lane.value] * count, queue=lane)


def wake_trainers(app: Celery, count: int = 1) -> None:
    """Ask trainers to look for a training."""
    _send(app, Task.TRAIN, [None] * count)


def send_per_job(app: Celery, task: Task, job_ids: Iterable[str]) -> None:
    """Send the task once for each job."""
    _send(app, task, job_ids)


def refresh_models_soon(app: Celery) -> None:
    """Ask the courier to copy the model registry now rather than at the next scheduled time."""
    _send(app, Task.REFRESH_MODELS, [None])


def reconcile_soon(app: Celery) -> None:
    """Ask the housekeeper to reconcile now rather than at the next scheduled time."""
    _send(app, Task.RECONCILE, [None])


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


def _send(app: Celery, task: Task, arguments: Iterable[str | None], queue: str | None = None) -> None:
    """Send one message per argument; failing to is no error, because the housekeeper finds work without messages."""
    try:
        for argument in arguments:
            app.send_task(task, args=[] if argument is None else [argument], queue=queue or task.queue)
    except (OperationalError, RedisError) as error:
        log.warning("%s is left to the housekeeper: the broker cannot be reached: %s", task, error)
