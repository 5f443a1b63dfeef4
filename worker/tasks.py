"""Every task, thin: one call each. The services behind them are made once per process."""

from functools import cache
from typing import Any

from celery.signals import worker_ready, worker_shutdown

from shared.queues import CLASSIFY, DELIVER, TEND, TRACK, Lane
from shared.settings import get_settings
from shared.stores import open_ledger, open_redis
from worker import reconciler
from worker.app import app
from worker.service import ClassifierService
from worker.tracking import JobTracking
from worker.webhooks import Webhooks

_classifier: ClassifierService | None = None


@app.task(name=CLASSIFY)
def classify(lane: str, **_: Any) -> None:
    if _classifier is not None:
        _classifier.work(Lane(lane))


@app.task(name=DELIVER)
def deliver(job: str, **_: Any) -> None:
    _webhooks().deliver(job)


@app.task(name=TRACK)
def track(job: str, **_: Any) -> None:
    _tracking().track(job)


@app.task(name=TEND)
def tend(**_: Any) -> None:
    reconciler.tend(app, _redis(), _ledger())


@worker_ready.connect
def _start_classifier(sender: Any, **_: Any) -> None:
    """Only a worker that listens on a lane loads the model."""
    global _classifier
    if set(Lane) & set(app.amqp.queues.consume_from):
        _classifier = ClassifierService(app, get_settings(), sender.hostname)
        _classifier.start()


@worker_shutdown.connect
def _stop_classifier(**_: Any) -> None:
    if _classifier is not None:
        _classifier.stop()


@cache
def _redis() -> Any:
    return open_redis(get_settings())


@cache
def _ledger() -> Any:
    return open_ledger(get_settings())


@cache
def _webhooks() -> Webhooks:
    return Webhooks(get_settings(), _ledger())


@cache
def _tracking() -> JobTracking:
    return JobTracking(get_settings(), _ledger())
