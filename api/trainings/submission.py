"""Accept a training."""

from collections.abc import Collection, Iterator
from http import HTTPStatus
from typing import Annotated, Any

from celery import Celery
from pydantic import ValidationError
from redis import Redis

from api.dependencies import service
from api.http.problems import Problem, invalid_request
from api.opening import check_deadline, check_webhook, open_job
from api.trainings.render import url_of
from api.trainings.schemas import TrainingIn
from shared.ledger import Claim, Ledger, Training, TrainingRequest, Trainings, new_training
from shared.pipeline.params import PATH, check_overrides
from shared.queues import TRAINING, wake_trainers
from shared.settings import ROOT, Settings
from shared.tenants.api_keys import Scope

_FULL_RETRY_S = "300"


class TrainingSubmissions:
    def __init__(self, settings: Settings, redis: Redis, queue: Celery) -> None:
        self._settings = settings
        self._ledger = Ledger(redis)
        self._trainings = Trainings(redis)
        self._queue = queue

    def accept(self, asked: TrainingIn, tenant: str, scopes: Collection[Scope], claim: Claim | None = None) -> Training:
        """Check what was asked for, and open the training.

        Args:
            scopes: the caller's.

        Raises:
            Problem: an option is wrong, each field is named; the caller may not ask for it; or too many trainings wait
                already.
        """
        _check_gate(asked, scopes)
        self._check(asked)
        settings, job = self._settings, Ledger.new_id()
        request = TrainingRequest(asked.params, asked.source, asked.revision, asked.promote)
        self._trainings.stage(job, request)
        new = new_training(
            settings,
            tenant,
            deadline_s=asked.deadline_s,
            webhook_url=None if asked.webhook_url is None else str(asked.webhook_url),
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


TrainingSubmissionsDep = Annotated[
    TrainingSubmissions, service(lambda stores: TrainingSubmissions(stores.settings, stores.redis, stores.queue))
]


def _check_gate(asked: TrainingIn, scopes: Collection[Scope]) -> None:
    """Whoever may ask for trainings must not thereby put any model into service."""
    if "gate" in asked.params and Scope.ADMIN not in scopes:
        detail = "What the gate asks of a model is changed with the scope admin only: leave params.gate out."
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", detail, scope=Scope.ADMIN)


def _below_params(error: ValidationError) -> Iterator[dict[str, Any]]:
    for entry in error.errors(include_url=False, include_input=False, include_context=False):
        yield {**entry, "loc": ("params", *entry["loc"])}
