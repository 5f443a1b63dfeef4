"""Every task, thin: one call each. The services behind them are made once per process."""

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from celery.signals import worker_ready, worker_shutdown, worker_shutting_down

from shared.ledger import Deliveries, Ledger, Outbox
from shared.queues import (
    AUDIT,
    CHANGE_MODEL,
    CLASSIFY,
    DELIVER,
    DELIVERY,
    OPEN_TRAINING,
    REFRESH_MODELS,
    SWEEP,
    TEND,
    TRACK,
    TRAIN,
    TRAINING,
    Lane,
    refresh_models,
)
from shared.settings import get_settings
from shared.stores.opening import open_blobs, open_redis
from worker.app import app
from worker.classify.service import ClassifierService
from worker.courier.webhooks import Webhooks
from worker.process_health import process_health
from worker.reconciler import Reconciler
from worker.trainings.schedule import open_scheduled

if TYPE_CHECKING:
    from worker.courier.tracking import JobTracking
    from worker.serving.registry_service import RegistryService
    from worker.trainings.trainer import Trainer

_classifier: ClassifierService | None = None
_trainer: "Trainer | None" = None


@app.task(name=CLASSIFY)
def classify(lane: str, **_: Any) -> None:
    if _classifier is not None:
        _classifier.work(Lane(lane))


@app.task(name=TRAIN)
def train(**_: Any) -> None:
    """The trainer has a thread of its own, so that a message is settled at once and not held for hours."""
    if _trainer is not None:
        _trainer.wake()


@app.task(name=DELIVER)
def deliver(job: str, **_: Any) -> None:
    _webhooks().deliver(job)


@app.task(name=TRACK)
def track(job: str, **_: Any) -> None:
    _tracking().track(job)


@app.task(name=CHANGE_MODEL)
def change_model(ticket: str, **_: Any) -> None:
    _registry().serve(ticket)


@app.task(name=REFRESH_MODELS)
def copy_models(**_: Any) -> None:
    _registry().tend()


@app.task(name=TEND)
def tend(**_: Any) -> None:
    _reconciler().tend()


@app.task(name=AUDIT)
def audit(**_: Any) -> None:
    _reconciler().audit()


@app.task(name=SWEEP)
def sweep(**_: Any) -> None:
    _reconciler().sweep()


@app.task(name=OPEN_TRAINING)
def open_training(**_: Any) -> None:
    settings = get_settings()
    open_scheduled(app, open_redis(settings), settings)


@worker_ready.connect
def _start_classifier(sender: Any, **_: Any) -> None:
    """Only a worker that listens on a lane loads the model."""
    global _classifier
    if set(Lane) & set(app.amqp.queues.consume_from):
        _classifier = ClassifierService(app, get_settings(), sender.hostname)
        process_health.add_liveness_check(_classifier.liveness_problem)
        process_health.add_readiness_check(_classifier.readiness_problem)
        _classifier.start()


@worker_ready.connect
def _copy_models(**_: Any) -> None:
    if DELIVERY in app.amqp.queues.consume_from:
        refresh_models(app)


@worker_shutting_down.connect
def _drain_classifier(**_: Any) -> None:
    if _classifier is not None:
        _classifier.drain()


@worker_shutdown.connect
def _stop_classifier(**_: Any) -> None:
    if _classifier is not None:
        _classifier.stop()


@worker_ready.connect
def _start_trainer(sender: Any, **_: Any) -> None:
    global _trainer
    if TRAINING in app.amqp.queues.consume_from:
        from worker.trainings.trainer import Trainer  # only a trainer has what training needs installed

        _trainer = Trainer(get_settings(), sender.hostname)
        process_health.add_liveness_check(_trainer.liveness_problem)
        _trainer.start()


@worker_shutting_down.connect
def _drain_trainer(**_: Any) -> None:
    if _trainer is not None:
        _trainer.drain()


@worker_shutdown.connect
def _stop_trainer(**_: Any) -> None:
    if _trainer is not None:
        _trainer.stop()


@cache
def _reconciler() -> Reconciler:
    settings = get_settings()
    return Reconciler(app, open_redis(settings), open_blobs(settings), settings.cached_predictions)


@cache
def _webhooks() -> Webhooks:
    settings, redis = get_settings(), open_redis(get_settings())
    return Webhooks(settings, Ledger(redis), Outbox(redis, "webhook"), Deliveries(redis))


@cache
def _registry() -> "RegistryService":
    # Somebody waits for the answer: MLflow's client would try for minutes, and do then what nobody expects any more.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from worker.serving.registry_service import RegistryService

    return RegistryService(get_settings(), open_redis(get_settings()))


@cache
def _tracking() -> "JobTracking":
    from worker.courier.tracking import JobTracking  # MLflow takes seconds to import, and only the courier needs it

    return JobTracking(get_settings(), open_redis(get_settings()))
