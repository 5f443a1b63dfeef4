"""Every task: its name and queue, when it is due, and its body, which is a single call."""

import os
from typing import TYPE_CHECKING, Any

from shared.ledger import Deliveries, Ledger, Outbox
from shared.queues import DELIVERY, HOUSEKEEPING, REFRESH_S, Lane, Task, refresh_models_soon
from shared.settings import get_settings
from shared.stores.opening import open_blobs, open_broker, open_redis
from worker.app import app, lifecycle
from worker.app.periodic import periodic, scheduled
from worker.app.services import service
from worker.courier.webhooks import Webhooks
from worker.housekeeping.new_categories import NewCategories
from worker.housekeeping.promise_keeper import PromiseKeeper
from worker.housekeeping.reconciler import Reconciler
from worker.housekeeping.training_schedule import open_scheduled

if TYPE_CHECKING:
    from worker.courier.tracking import JobTracking
    from worker.serving.registry_service import RegistryService


@app.task(name=Task.CLASSIFY.value)
def classify(lane: str, **_: Any) -> None:
    if lifecycle.classifier is not None:
        lifecycle.classifier.work(Lane(lane))


@app.task(name=Task.TRAIN.value)
def train(**_: Any) -> None:
    """Only wake the trainer's own thread, so that the message is not held for the hours of a training."""
    if lifecycle.trainer is not None:
        lifecycle.trainer.wake()


@app.task(name=Task.DELIVER.value)
def deliver(*_: Any, **__: Any) -> None:
    """A message of an earlier release names a job, which is due in the outbox as well."""
    _webhooks().deliver_due()


@app.task(name=Task.TRACK.value)
def track(*_: Any, **__: Any) -> None:
    """A message of an earlier release names a job, which is due in the outbox as well."""
    _job_tracking().track_due()


@app.task(name=Task.CHANGE_MODEL.value)
def change_model(ticket: str, **_: Any) -> None:
    _registry_service().change_model(ticket)


@app.task(name=Task.REFRESH_MODELS.value)
def refresh_models(**_: Any) -> None:
    _registry_service().refresh_models()


@periodic(Task.REMIND_COURIER, every=REFRESH_S)
def remind_courier(**_: Any) -> None:
    """Not sent to the courier by Celery beat itself, which would go on while nobody takes the messages."""
    refresh_models_soon(app)


@periodic(Task.RECONCILE, every=1)
def reconcile(**_: Any) -> None:
    _reconciler().reconcile()


@periodic(Task.AUDIT, every=30)
def audit(**_: Any) -> None:
    _reconciler().audit()


@periodic(Task.SWEEP, every=3600)
def sweep(**_: Any) -> None:
    _reconciler().sweep()


@periodic(Task.KEEP_PROMISES, every=86400)
def keep_promises(**_: Any) -> None:
    _promise_keeper().keep()


@periodic(Task.FIT_COLUMNS, every=10)
def fit_columns(**_: Any) -> None:
    _new_categories().fit_due()


@scheduled(Task.OPEN_TRAINING, get_settings().training_schedule, setting="CATALOG_TRAINING_SCHEDULE")
def open_training(**_: Any) -> None:
    settings = get_settings()
    open_scheduled(app, open_redis(settings), settings)


# The services behind the tasks


@service(HOUSEKEEPING)
def _reconciler() -> Reconciler:
    settings = get_settings()
    redis, broker, blobs = open_redis(settings), open_broker(settings), open_blobs(settings)
    return Reconciler(app, redis, broker, blobs, settings.cached_predictions)


@service(HOUSEKEEPING)
def _promise_keeper() -> PromiseKeeper:
    settings = get_settings()
    return PromiseKeeper(open_redis(settings), settings.keep_drift_days, moving=settings.audit_share > 0)


def _new_categories() -> NewCategories:
    return NewCategories(open_redis(get_settings()), get_settings())


@service(DELIVERY)
def _webhooks() -> Webhooks:
    settings, redis = get_settings(), open_redis(get_settings())
    return Webhooks(settings, Ledger(redis), Outbox(redis, "webhook"), Deliveries(redis))


@service(DELIVERY)
def _registry_service() -> "RegistryService":
    # A client is waiting: MLflow's own client would retry for minutes, and then do what nobody expects any more.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from shared.registry.mlflow import import_client
    from worker.serving.registry_service import RegistryService

    import_client()
    return RegistryService(get_settings(), open_redis(get_settings()))


@service(DELIVERY)
def _job_tracking() -> "JobTracking":
    from worker.courier.tracking import JobTracking  # MLflow takes seconds to import, and only the courier needs it

    return JobTracking(get_settings(), open_redis(get_settings()))
