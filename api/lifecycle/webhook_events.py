"""The requests that the service sends, for OpenAPI's section `webhooks`: what `worker/courier/webhooks.py` delivers."""

from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.http.openapi import operation_id, ref
from api.lifecycle.counts import JobCountsOut
from shared.ledger import JobState

EndedJobState = Literal[JobState.COMPLETED, JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED]


class EndedJobOut(BaseModel):
    id: str
    state: EndedJobState
    reason: Literal["deadline", "error_budget"] | None = Field(
        description="Why the job ended before all its items were done; null if it did not."
    )
    url: str = Field(description="The URL at which the job can be read.")
    parent: str | None = Field(description="The job whose items this one retries.")
    name: str | None = Field(description="The name that the job was given.")
    metadata: dict[str, str] = Field(description="The texts that the job was given.")
    counts: JobCountsOut
    results_url: str


class JobEndedOut(BaseModel):
    """A job has ended. Fetch the rest from its `url`."""

    type: Literal["job.completed", "job.partial", "job.failed", "job.cancelled", "job.expired"]
    timestamp: datetime = Field(description="When the job ended.")
    data: EndedJobOut


class EndedTrainingOut(BaseModel):
    id: str
    state: EndedJobState
    reason: Literal["deadline"] | None = Field(
        description="Why the training ended before all its stages were done; null if it did not."
    )
    url: str = Field(description="The URL at which the training can be read.")


class TrainingEndedOut(BaseModel):
    """A training has ended. Fetch the verdict and the model from its `url`."""

    type: Literal["training.completed", "training.failed", "training.cancelled", "training.expired"]
    timestamp: datetime = Field(description="When the training ended.")
    data: EndedTrainingOut


_HEADERS = {
    "webhook-id": "Names the message; the same for every attempt, so that a receiver can ignore repetitions.",
    "webhook-timestamp": "When this attempt was made, in seconds since the epoch.",
    "webhook-signature": "One or more signatures after Standard Webhooks, `v1,` and base64, separated by spaces: "
    "the HMAC-SHA256 of id, timestamp and body, joined by dots.",
}
_SETTLED = "Any 2xx status settles the delivery; any other answer but 410 is followed by another attempt."
_RESPONSES: dict[int | str, dict[str, Any]] = {
    HTTPStatus.GONE: {"description": "The receiver wants no more deliveries for this URL."}
}

router = APIRouter(tags=["webhooks"], generate_unique_id_function=operation_id)


def _sent(body: type[BaseModel]) -> dict[str, Any]:
    return {
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": description, "schema": {"type": "string"}}
            for name, description in _HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref(body)}}},
    }


@router.post(
    "job.ended",
    status_code=HTTPStatus.NO_CONTENT,
    response_description=_SETTLED,
    responses=_RESPONSES,
    openapi_extra=_sent(JobEndedOut),
)
def job_ended() -> None:
    """Tell the job's `webhook_url` that the job has ended.

    Verify the signature before you trust the message. The order of messages is not guaranteed.
    """


@router.post(
    "training.ended",
    status_code=HTTPStatus.NO_CONTENT,
    response_description=_SETTLED,
    responses=_RESPONSES,
    openapi_extra=_sent(TrainingEndedOut),
)
def training_ended() -> None:
    """Tell the training's `webhook_url` that the training has ended.

    Verify the signature before you trust the message.
    """
