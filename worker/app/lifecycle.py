"""What happens as a Celery process starts and ends: all of Celery's signals are received here.

A process does what the queues it reads are for: a worker loads the model, a trainer runs trainings, the courier copies
the model registry, and the housekeeper runs Celery beat. Celery takes the first message only after `worker_ready`, so
whatever is imported in its receiver is imported before several threads need it.
"""

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.apps import worker as program
from celery.signals import (
    celeryd_after_setup,
    celeryd_init,
    setup_logging,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)

from shared.queues import DELIVERY, HOUSEKEEPING, TRAINING, Lane, refresh_models_soon
from shared.settings import get_settings
from shared.telemetry import logs, tracing
from worker.app.services import build_services
from worker.process import port
from worker.process.health import process_health, watch_celery_beat

if TYPE_CHECKING:
    from worker.classify.service import ClassifierService
    from worker.trainings.trainer import Trainer

_UNTRACED = "housekeeper"
"""It does nothing for a job that other processes do not trace, and forks a process for Celery beat."""

classifier: "ClassifierService | None" = None
"""Set in workers."""
trainer: "Trainer | None" = None
"""Set in trainers."""


def process_kind(queues: Collection[str]) -> str:
    """Return what kind of process reads these queues."""
    kinds = {HOUSEKEEPING: _UNTRACED, DELIVERY: "courier", TRAINING: "trainer"}
    return next((kind for queue, kind in kinds.items() if queue in queues), "worker")


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Celery sets up its own logging unless this signal has a receiver."""


@celeryd_init.connect
def _set_up_telemetry(instance: Any, options: dict[str, Any], **_: Any) -> None:
    """Runs this early because the next steps may already log warnings."""
    settings, kind = get_settings(), process_kind(options.get("queues") or ())
    logs.configure(kind, settings)
    if kind != _UNTRACED:
        tracing.start(kind)
    if settings.log_format == "json":
        # Celery prints a banner at the start and a line at the end, which do not belong among lines of JSON.
        instance.quiet = True
        say = logging.getLogger(program.__name__).info
        program.safe_say = lambda message, *_: say(message)  # type: ignore[attr-defined]


@celeryd_after_setup.connect
def _open_port(**_: Any) -> None:
    if (number := get_settings().process_port) is not None:
        port.serve(number, process_health)


@worker_ready.connect
def _start(sender: Any, **_: Any) -> None:
    queues = sender.app.amqp.queues.consume_from
    if beat := sender.controller.beat:
        watch_celery_beat(beat.is_alive)
    build_services(queues)
    if set(Lane) & set(queues):
        _start_classifier(sender.app, sender.hostname)
    if TRAINING in queues:
        _start_trainer(sender.hostname)
    if DELIVERY in queues:
        refresh_models_soon(sender.app)
    process_health.mark_started()


@worker_shutting_down.connect
def _drain(**_: Any) -> None:
    for service in (classifier, trainer):
        if service is not None:
            service.drain()


@worker_shutdown.connect
def _stop(**_: Any) -> None:
    for service in (classifier, trainer):
        if service is not None:
            service.stop()
    tracing.finish()


def _start_classifier(app: Celery, name: str) -> None:
    global classifier
    from worker.classify.service import ClassifierService  # only workers need what classifying imports

    classifier = ClassifierService(app, get_settings(), name)
    process_health.add_liveness_check(classifier.liveness_problem)
    process_health.add_readiness_check(classifier.readiness_problem)
    classifier.start()


def _start_trainer(name: str) -> None:
    global trainer
    from worker.trainings.trainer import Trainer  # only trainers have installed what training needs

    trainer = Trainer(get_settings(), name)
    process_health.add_liveness_check(trainer.liveness_problem)
    trainer.start()
