"""Accept a training."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from celery import Celery
from pydantic import ValidationError
from redis import Redis

from api.opening import check_deadline, check_webhook, open_job
from api.problems import Problem, invalid_request
from api.render_training import url_of
from api.training_schemas import TrainingIn
from shared.ledger import Claim, Ledger, NewJob, Training, TrainingRequest, Trainings
from shared.params import PATH, check_overrides
from shared.queues import TRAINING, wake_trainers
from shared.settings import ROOT, Settings

_FULL_RETRY_S = "300"


class TrainingRequests:
    def __init__(self, settings: Settings, redis: "Redis", queue: Celery) -> None:
        self._settings = settings
        self._ledger = Ledger(redis)
        self._trainings = Trainings(redis)
        self._queue = queue

    def accept(self, asked: TrainingIn, tenant: str, claim: Claim | None = None) -> Training:
        """Check what was asked for, and open the training.

        Raises:
            Problem: an option is wrong, each field is named; or too many trainings wait already.
        """
        self._check(asked)
        settings, job = self._settings, Ledger.new_id()
        request = TrainingRequest(asked.params, asked.source, asked.revision, asked.promote)
        self._trainings.stage(job, request)
        new = NewJob(
            tenant=tenant,
            lane=TRAINING,
            total=1,
            chunks=1,
            deadline_s=asked.deadline_s or settings.max_deadline_s,
            max_queued=settings.max_queued_trainings,
            keep_s=settings.keep_results_s,
            keep_record_s=settings.keep_jobs_s,
            webhook_url=None if asked.webhook_url is None else str(asked.webhook_url),
            tracked=False,  # the stages write to MLflow themselves
        )
        open_job(
            self._ledger,
            settings,
            job,
            new,
            url=url_of(job),
            wake=lambda: wake_trainers(self._queue),
            full=self._full,
            claim=claim,
            fingerprint=asked.fingerprint(),
        )
        return self._trainings.training(job)

    def _check(self, asked: TrainingIn) -> None:
        if asked.webhook_url is not None:
            check_webhook(str(asked.webhook_url), self._settings)
        if asked.deadline_s is not None:
            check_deadline(asked.deadline_s, self._settings)
        importing = asked.params.get("import_data")
        if asked.source is not None and isinstance(importing, dict) and "source" in importing:
            detail = "The source is given twice, as source and in params.import_data.source: leave one of them out."
            errors = [{"pointer": "/source", "detail": detail}]
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail, errors=errors)
        try:
            check_overrides(asked.params, ROOT / PATH)
        except ValidationError as error:
            raise invalid_request(list(_below_params(error))) from None

    def _full(self) -> Problem:
        detail = (
            f"{self._ledger.pending(TRAINING)} trainings have not ended, of {self._settings.max_queued_trainings} that "
            "may wait: send it again later, or cancel one of yours."
        )
        headers = {"Retry-After": _FULL_RETRY_S}
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "queue-full", detail, headers=headers)


def _below_params(error: ValidationError) -> Iterator[dict[str, Any]]:
    for entry in error.errors(include_url=False, include_input=False, include_context=False):
        yield {**entry, "loc": ("params", *entry["loc"])}
