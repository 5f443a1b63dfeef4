"""Accepts trainings."""

from collections.abc import Collection, Iterator
from http import HTTPStatus
from typing import Annotated, Any

from celery import Celery
from pydantic import ValidationError
from redis import Redis

from api.dependencies import service
from api.http.problems import Problem, invalid_request
from api.lifecycle.opening import not_on_disk, open_job, replay
from api.lifecycle.options import check_deadline
from api.lifecycle.quotas import TenantQuotas
from api.lifecycle.webhooks import check_webhook
from api.trainings.render import url_of
from api.trainings.schemas import TrainingIn
from shared.ledger import Answered, Claim, Ledger, QueueFullError, Training, TrainingRequest, Trainings, new_training
from shared.pipeline.params import PATH, check_overrides
from shared.queues import TRAINING, wake_trainers
from shared.settings import ROOT, Settings
from shared.tenants.api_keys import Scope

_FULL_RETRY_S = "300"


class TrainingSubmissions:
    def __init__(self, settings: Settings, redis: Redis, queue: Celery, quotas: TenantQuotas) -> None:
        self._settings = settings
        self._ledger = Ledger(redis)
        self._trainings = Trainings(redis)
        self._queue = queue
        self._quotas = quotas

    def accept(self, body: TrainingIn, tenant: str, scopes: Collection[Scope], claim: Claim | None = None) -> Training:
        """Validate the request and open the training.

        Args:
            scopes: The caller's.

        Raises:
            Problem: an option is wrong (each field is named), the caller may not set it, or too many trainings are
                queued already.
            QuotaExceededError, MemoryFullError: too much of the tenant is queued or kept, or of all tenants.
        """
        _check_gate(body, scopes)
        self._check(body)
        settings, job_id = self._settings, Ledger.new_id()
        request = TrainingRequest(body.params, body.source, body.revision, body.promote, body.unlabelled)
        self._trainings.stage(job_id, request, self._quotas.memory(tenant))
        new = new_training(
            settings,
            tenant,
            deadline_s=body.deadline_s,
            webhook_url=None if body.webhook_url is None else str(body.webhook_url),
            max_waiting=self._quotas.trainings(),
        )
        try:
            on_disk = open_job(self._ledger, settings, job_id, new, claim=claim, fingerprint=body.fingerprint())
        except QueueFullError:
            raise self._full() from None
        wake_trainers(self._queue)
        if not on_disk:
            raise not_on_disk(job_id, url_of(job_id))
        return self._trainings.training(job_id)

    def replay(self, body: TrainingIn, answered: Answered) -> Training:
        """Return the training of the first request with the key; raises as `opening.replay` does."""
        return self._trainings.of(replay(self._ledger, self._settings, answered, body.fingerprint(), url_of))

    def _check(self, body: TrainingIn) -> None:
        if body.webhook_url is not None:
            check_webhook(str(body.webhook_url), self._settings)
        if body.deadline_s is not None:
            check_deadline(body.deadline_s)
        if unknown := list(self._unknown_sources(body)):
            raise invalid_request(unknown)
        try:
            check_overrides(body.params, ROOT / PATH)
        except ValidationError as error:
            raise invalid_request(list(_below_params(error))) from None

    def _unknown_sources(self, body: TrainingIn) -> Iterator[dict[str, Any]]:
        known = self._settings.training_sources
        named = [] if body.source is None else [(("source",), body.source)]
        for location, name in [*named, *((("unlabelled", index), name) for index, name in enumerate(body.unlabelled))]:
            if name not in known:
                there = f"name one of {', '.join(sorted(known))}" if known else "there is none yet"
                adding = "The operator adds sources (CATALOG_TRAINING_SOURCES); a path or URL is not accepted"
                yield {"loc": location, "msg": f"there is no source {name[:64]!r}: {there}. {adding}"}

    def _full(self) -> Problem:
        detail = (
            f"{self._ledger.pending(TRAINING)} trainings have not ended yet; the limit is "
            f"{self._settings.max_queued_trainings}. Send the request again later, or cancel one of your trainings."
        )
        headers = {"Retry-After": _FULL_RETRY_S}
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "queue-full", detail, headers=headers)


TrainingSubmissionsDep = Annotated[
    TrainingSubmissions,
    service(
        lambda stores: TrainingSubmissions(
            stores.settings, stores.redis, stores.queue, TenantQuotas(stores.settings, stores.redis)
        )
    ),
]


def _check_gate(body: TrainingIn, scopes: Collection[Scope]) -> None:
    """Raise `Problem` if a caller without the scope admin loosens the gate, and so could put any model into service.

    The gate asks no more of a review threshold than the precision that `train.review` aims at.
    """
    if Scope.ADMIN in scopes:
        return
    train = body.params.get("train")
    if "gate" in body.params:
        changed = "params.gate"
    elif isinstance(train, dict) and "review" in train:
        changed = "params.train.review"
    else:
        return
    detail = f"Only a key with the scope admin may change what the gate asks of a model: leave {changed} out."
    raise Problem(HTTPStatus.FORBIDDEN, "forbidden", detail, scope=Scope.ADMIN)


def _below_params(error: ValidationError) -> Iterator[dict[str, Any]]:
    for entry in error.errors(include_url=False, include_input=False, include_context=False):
        yield {**entry, "loc": ("params", *entry["loc"])}
