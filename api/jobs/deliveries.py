"""A job's webhook: what became of its deliveries, and another one on request."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.access.ownership import JobDep
from api.dependencies import LedgerDep, QueueDep, service
from api.http.openapi import problems
from api.http.problems import Problem
from api.lifecycle.times import maybe_time, time_of
from api.lifecycle.webhooks import masked
from shared.ledger import (
    Deliveries,
    DeliveryAttempt,
    DeliveryOutcome,
    DeliveryTrigger,
    Job,
    NothingToDeliverError,
    WebhookState,
)
from shared.queues import reconcile_soon

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=problems(HTTPStatus.NOT_FOUND))


class DeliveryOut(BaseModel):
    number: int = Field(
        description="Attempt number, from 1. A postponed attempt carries the number of the attempt that will follow."
    )
    at: datetime
    trigger: DeliveryTrigger = Field(
        description="Whether the job's end or a request for a redelivery led to this attempt."
    )
    outcome: DeliveryOutcome = Field(
        description="With `postponed` and `disabled`, no request was sent, and it does not count as an attempt."
    )
    status: int | None = Field(description="The status that the receiver answered with.")
    error: str | None = Field(description="A human-readable reason; null for a success.")
    duration_ms: int
    next_attempt_at: datetime | None


class DeliveriesOut(BaseModel):
    job_id: str
    url: str | None = Field(description="The webhook's URL without credentials; null for a job without a webhook.")
    state: WebhookState | None
    attempts: int = Field(description="How many attempts were made in all.")
    deliveries: list[DeliveryOut] = Field(description="The last 200 attempts, the newest last.")


DeliveriesDep = Annotated[Deliveries, service(lambda stores: Deliveries(stores.redis))]


@router.get("/{job_id}/deliveries")
def list_deliveries(job: JobDep, log: DeliveriesDep) -> DeliveriesOut:
    """List the attempts to deliver a job's webhook, and when the next one is due."""
    return _answer(job, log)


@router.post("/{job_id}/deliveries", status_code=HTTPStatus.ACCEPTED, responses=problems(HTTPStatus.CONFLICT))
def redeliver(job: JobDep, log: DeliveriesDep, ledger: LedgerDep, queue: QueueDep) -> DeliveriesOut:
    """Deliver the webhook of an ended job again.

    It has the same `webhook-id` as before and follows the same schedule of attempts. A receiver that had answered
    410 gets deliveries again.
    """
    try:
        log.request(job)
    except NothingToDeliverError as error:
        raise Problem(HTTPStatus.CONFLICT, "nothing-to-deliver", f"There is nothing to deliver: {error}.") from error
    reconcile_soon(queue)
    return _answer(ledger.job(job.id), log)


def _answer(job: Job, log: Deliveries) -> DeliveriesOut:
    return DeliveriesOut(
        job_id=job.id,
        url=None if job.webhook_url is None else masked(job.webhook_url),
        state=job.webhook_state,
        attempts=job.webhook_attempts,
        deliveries=[_delivery(attempt) for attempt in log.log(job)],
    )


def _delivery(attempt: DeliveryAttempt) -> DeliveryOut:
    return DeliveryOut(
        number=attempt.number,
        at=time_of(attempt.at),
        trigger=attempt.trigger,
        outcome=attempt.outcome,
        status=attempt.status,
        error=attempt.error,
        duration_ms=attempt.duration_ms,
        next_attempt_at=maybe_time(attempt.next_attempt_at),
    )
