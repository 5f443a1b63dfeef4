"""Celery's queues, and how a worker is woken up."""

import logging
from collections.abc import Iterable
from enum import StrEnum

from celery import Celery
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from shared.ledger import trainings
from shared.redis_access import PREFIX
from shared.settings import Settings

log = logging.getLogger(__name__)


class Lane(StrEnum):
    """Where the chunks of jobs that classify wait; each has a Celery queue of the same name."""

    INTERACTIVE = "interactive"
    BULK = "bulk"


TRAINING = trainings.LANE
"""The lane, and the queue, of trainings."""
HOUSEKEEPING = "housekeeping"
"""The queue of recovery and expiry: a worker of its own, so that nothing holds them up."""
DELIVERY = "delivery"
"""The queue of webhooks and tracking, again a worker of its own: receivers may hang."""

CLASSIFY = "catalog.classify"
TRAIN = "catalog.train"
DELIVER = "catalog.deliver"
TRACK = "catalog.track"
CHANGE_MODEL = "catalog.change_model"
REFRESH_MODELS = "catalog.refresh_models"
TEND = "catalog.tend"
AUDIT = "catalog.audit"
SWEEP = "catalog.sweep"
OPEN_TRAINING = "catalog.open_training"


def celery_app(settings: Settings) -> Celery:
    """The app as producer and worker share it; `worker.app` adds the tasks.

    Messages are only wake-ups, acknowledged when they are received: the ledger's leases make good for those that are
    lost. So none of Celery's redelivery is in use, nor its results.
    """
    app = Celery("catalog", broker=settings.broker_url, set_as_current=False)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        # A broker that is away must be an error in seconds, in a request as in a worker.
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
    _post(app, CLASSIFY, lane, [lane.value] * count)


def wake_trainers(app: Celery, count: int = 1) -> None:
    """Ask trainers to look for a training."""
    _post(app, TRAIN, TRAINING, [None] * count)


def send(app: Celery, task: str, jobs: Iterable[str]) -> None:
    """One delivery message per job."""
    _post(app, task, DELIVERY, jobs)


def refresh_models(app: Celery) -> None:
    """Ask the courier to copy the model registry now instead of at its next turn."""
    _post(app, REFRESH_MODELS, DELIVERY, [None])


def change_model(app: Celery, ticket: str) -> None:
    """Bring the courier a request to change the champion, which somebody waits for: raises where it cannot be sent."""
    app.send_task(CHANGE_MODEL, args=[ticket], queue=DELIVERY)


def tend_soon(app: Celery) -> None:
    """Ask the housekeeper to look now instead of at its next turn."""
    _post(app, TEND, HOUSEKEEPING, [None])


def messages_waiting(broker: Redis) -> dict[str, int]:
    """By queue, those that nobody has taken yet; raises `RedisError`."""
    queues = (*(lane.value for lane in Lane), TRAINING, HOUSEKEEPING, DELIVERY)
    with broker.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.llen(PREFIX + queue)
        return dict(zip(queues, pipe.execute(), strict=True))


def _post(app: Celery, task: str, queue: str, arguments: Iterable[str | None]) -> None:
    """A message per argument; one that cannot be sent is no error, as the housekeeper finds what nobody was told of."""
    try:
        for argument in arguments:
            app.send_task(task, args=[] if argument is None else [argument], queue=queue)
    except (OperationalError, RedisError) as error:
        log.warning("%s is left to the housekeeper: the broker cannot be reached: %s", task, error)
