"""What clients send and get about trainings."""

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl

from api.lifecycle.webhooks import WebhookOut
from shared.ledger import JobState, StageState
from shared.pipeline.stages import GateVerdict, PromotePolicy


class TrainingIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"params": {"train": {"text": {"epochs": 20}}}}]}
    )

    params: dict[str, Any] = Field(
        default={},
        description="Overrides of `params.yaml`, nested in the same way; all other parameters keep their values. "
        "Parameters that hold paths or URLs are the operator's alone.",
    )
    source: str | None = Field(
        None,
        min_length=1,
        max_length=2000,
        description="The catalogue to learn from: a name from `GET /v1/trainings/sources`, never a path or a URL. By "
        "default the one in `params.yaml`.",
    )
    unlabelled: tuple[Annotated[str, Field(min_length=1, max_length=2000)], ...] = Field(
        (),
        max_length=20,
        description="Files of texts without a label to learn from as well: names from `GET /v1/trainings/sources`. By "
        "default those in `params.yaml`.",
    )
    revision: str | None = Field(
        None,
        pattern=r"^[0-9A-Za-z][0-9A-Za-z._/~^-]{0,199}$",
        description="Branch, tag or commit of the repository. By default the commit that is checked out there.",
    )
    promote: PromotePolicy = Field(
        PromotePolicy.AUTO,
        description="`auto`: the model is promoted if it passes the gate. `manual`: it stays the challenger until "
        "somebody promotes it. `never`: it is a trial, which is registered but does not become the challenger.",
    )
    webhook_url: HttpUrl | None = Field(
        None, description="A URL that gets a signed request when the training has ended."
    )
    deadline_s: float | None = Field(
        None, gt=0, description="Seconds from acceptance after which the training expires."
    )

    def fingerprint(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class StageOut(BaseModel):
    name: str
    state: StageState
    started_at: datetime | None = Field(description="When the last attempt began.")
    finished_at: datetime | None
    cached: bool = Field(description="Whether the stage was not run, because nothing that it depends on had changed.")
    what: str | None = Field(description="What `done` and `total` count.")
    done: int | None
    total: int | None


class TrainingErrorOut(BaseModel):
    stage: str | None = Field(description="The stage that failed; null if none did.")
    message: str = Field(description="What went wrong, with the last lines of the stage's log.")


class TrainingQueueOut(BaseModel):
    position: int = Field(description="How many trainings come before this one.")


class TrainingOut(BaseModel):
    id: str
    state: JobState
    reason: Literal["deadline"] | None
    params: dict[str, Any] = Field(description="The requested overrides.")
    source: str | None = Field(description="The name of the requested source.")
    unlabelled: list[str] = Field(description="The names of the requested texts without a label.")
    revision: str | None = Field(description="The requested revision.")
    promote: PromotePolicy
    stage: str | None = Field(description="The stage that runs.")
    stages: list[StageOut]
    attempts: int = Field(
        description="How often a trainer has taken the training. Each continues with the first unfinished stage."
    )
    trainer: str | None
    queue: TrainingQueueOut | None = Field(description="Set while the training waits for its first or another trainer.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime
    estimated_finish_at: datetime | None = Field(
        description="When the training is expected to end, by how long the stages took in the last training."
    )
    commit: str | None = Field(description="The commit that was checked out.")
    data: dict[str, Any] | None = Field(
        description="What the training learns from: hashes by path, the labels, the digest of the taxonomy, and the "
        "source: how many products, pictures and texts it has, and how many are new, changed or gone since its last "
        "import."
    )
    bundle: str | None = Field(description="The hash of the bundle that it made, which results have as `bundle`.")
    version: str | None = Field(description="The bundle's number in the model registry, by which promotions name it.")
    verdict: GateVerdict | None
    promoted: bool | None = Field(description="Whether the model became the champion when the training ended.")
    error: TrainingErrorOut | None
    webhook: WebhookOut | None
    trace_id: str | None = Field(description="The trace from the request to the webhook; null if tracing is off.")
    url: str
    events_url: str
    log_url: str


class TrainingsOut(BaseModel):
    trainings: list[TrainingOut] = Field(description="Your own trainings, the newest first.")


class TrainingSourceOut(BaseModel):
    name: str = Field(description="What a request to train names as `source` or among `unlabelled`.")


class TrainingSourcesOut(BaseModel):
    sources: list[TrainingSourceOut] = Field(description="The operator's sources, by name.")
