"""Jobs, results and predictions as clients send and receive them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl

from api.items.schemas import ItemIn
from api.lifecycle.webhooks import WebhookOut
from shared.ledger import ItemStatus, JobState
from shared.words import DESCRIPTION_LIMIT


class JobOptions(BaseModel):
    """What a job may be asked for, beside its items: as query parameters, JSON members or form fields."""

    model_config = ConfigDict(extra="forbid")

    webhook_url: HttpUrl | None = Field(None, description="Told, with a signature, when the job has ended.")
    on_invalid: Literal["reject", "skip"] = Field(
        "reject", description="What one invalid item means: that none is accepted, or that it alone is skipped."
    )
    deadline_s: float | None = Field(
        None, gt=0, description="Seconds from acceptance, by Redis's clock; what is not classified by then expires."
    )
    error_budget: float | None = Field(
        None, ge=0, le=100, description="The job stops, as failed, once more than so many per cent of its items fail."
    )


class JobIn(JobOptions):
    items: list[ItemIn] = Field(min_length=1)


class JobCountsOut(BaseModel):
    """`pending + succeeded + failed + invalid + cancelled + expired` is always `total`."""

    total: int
    pending: int
    succeeded: int
    failed: int
    invalid: int = Field(description="Skipped, as `on_invalid=skip` asked for.")
    cancelled: int
    expired: int
    needs_review: int = Field(description="How many of the succeeded a person should look at.")


class QueueOut(BaseModel):
    """Where a job stands among those of its lane."""

    lane: str
    position: int | None = Field(description="How many jobs have their turn before it; null when nothing of it waits.")
    waiting_items: int = Field(description="Of all jobs of the lane, without an outcome yet.")


class JobOut(BaseModel):
    id: str
    state: JobState
    reason: Literal["deadline", "error_budget"] | None = Field(description="Why it ended before its items did.")
    counts: JobCountsOut
    bundles: dict[str, int] = Field(
        description="How many of the succeeded items each bundle answered. More than one: the model was changed while "
        "the job ran."
    )
    model_versions: dict[str, int] = Field(deprecated=True, description="The same as `bundles`: use that.")
    progress: float = Field(description="Share of the items that have an outcome, 0 to 1.")
    rate: float | None = Field(description="Items a second since it began; null before the first.")
    queue: QueueOut | None = Field(description="While it has not ended; left out of the answer that accepts it.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    times: dict[JobState, datetime] = Field(description="When each state was entered.")
    deadline_at: datetime
    estimated_finish_at: datetime | None = Field(description="From its own rate, or its lane's while it waits.")
    error_budget: float | None
    parent: str | None = Field(description="The job whose items this one retries.")
    webhook: WebhookOut | None
    results_expire_at: datetime | None = Field(description="From then on they are gone (410).")
    trace_id: str | None = Field(description="Where the service traces: the trace from the request to the webhook.")
    url: str
    results_url: str
    events_url: str


class CategoryOut(BaseModel):
    code: int = Field(description="prdtypecode, one of the 27")
    name: str
    confidence: float = Field(description="Calibrated probability, 0 to 1.")


class BranchesOut(BaseModel):
    """What each branch said by itself, and how much it counted."""

    text: CategoryOut | None
    image: CategoryOut | None
    text_weight: float
    image_weight: float


_NEEDS_REVIEW = (
    "Whether a person should look at the category: its confidence is below the model's threshold, from which on the "
    "model's answers are as precise as its training was told to make them."
)


class ItemErrorOut(BaseModel):
    code: str = Field(description="Stable, for programs: image_unreadable, image_unreachable, invalid_item, …")
    message: str
    pointer: str | None = Field(None, description="JSON pointer to what is wrong, in the request or the item.")
    line: int | None = Field(None, description="Of the request's table, from 1.")


class ResultOut(BaseModel):
    id: str
    index: int = Field(description="The item's position in the request, from 0.")
    status: ItemStatus
    category: CategoryOut | None = None
    needs_review: bool | None = Field(None, description=_NEEDS_REVIEW)
    alternatives: list[CategoryOut] = []
    branches: BranchesOut | None = None
    error: ItemErrorOut | None = None
    cached: bool = Field(False, description="Whether this is an earlier answer to the same item by the same bundle.")
    bundle: str | None = Field(
        description="The bundle that answered: the hash of a model. null where none has seen the item."
    )
    model_version: str | None = Field(deprecated=True, description="The same as `bundle`: use that.")


class ResultsOut(BaseModel):
    job_id: str
    state: JobState
    results: list[ResultOut] = Field(description="In the order in which they were finished.")
    next_cursor: str
    complete: bool = Field(description="The job has ended and this was the last page.")


class PredictIn(BaseModel):
    """The original project's contract: a description, and the picture in base64."""

    model_config = ConfigDict(extra="forbid")

    description: str | None = Field(None, max_length=DESCRIPTION_LIMIT)
    image: str | None = Field(None, description="The picture's bytes in base64.")


class ModelWeightsOut(BaseModel):
    text: float
    image: float


class PredictOut(BaseModel):
    predicted_category: str
    category_id: int
    confidence: float
    needs_review: bool = Field(description=_NEEDS_REVIEW)
    model_weights: ModelWeightsOut = Field(description="How much the LSTM and VGG16 counted for this item.")
    result: ResultOut
    job_id: str
