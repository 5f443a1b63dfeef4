"""What clients send and get about trainings."""

import hashlib
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl

from api.lifecycle.webhooks import WebhookOut
from shared.ledger import JobState, StageState
from shared.pipeline.stages import GateVerdict, PromotePolicy


class TrainingIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"params": {"train": {"text": {"epochs": 20}}}}]}
    )

    params: dict[str, Any] = Field(
        default={}, description="Overrides of `params.yaml`, nested as they are there; the rest stays as it is."
    )
    source: str | None = Field(
        None,
        min_length=1,
        max_length=2000,
        description="Where the challenge's files lie: a folder or any fsspec URL; else what params.yaml says.",
    )
    revision: str | None = Field(
        None,
        pattern=r"^[0-9A-Za-z][0-9A-Za-z._/~^-]{0,199}$",
        description="Branch, tag or commit of the repository; what is checked out there where it is left out.",
    )
    promote: PromotePolicy = Field(
        PromotePolicy.AUTO,
        description="auto: promoted where it passes the gate. manual: it stays challenger, with its verdict, until "
        "somebody promotes it. never: the same, and nobody is meant to.",
    )
    webhook_url: HttpUrl | None = Field(None, description="Told, with a signature, when the training has ended.")
    deadline_s: float | None = Field(None, gt=0, description="Seconds from acceptance; a training then ends.")

    def fingerprint(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class StageOut(BaseModel):
    name: str
    state: StageState
    started_at: datetime | None = Field(description="Of the last attempt.")
    finished_at: datetime | None
    cached: bool = Field(description="Nothing that it depends on had changed, so it was not run.")
    what: str | None = Field(description="What `done` and `total` count.")
    done: int | None
    total: int | None


class TrainingErrorOut(BaseModel):
    stage: str | None = Field(description="The one that failed; null where it was none of them.")
    message: str = Field(description="What went wrong, with the end of the stage's log.")


class TrainingQueueOut(BaseModel):
    position: int = Field(description="How many trainings have their turn before it.")


class TrainingOut(BaseModel):
    id: str
    state: JobState
    reason: Literal["deadline"] | None
    params: dict[str, Any] = Field(description="The overrides that were asked for.")
    source: str | None
    revision: str | None = Field(description="As it was asked for.")
    promote: PromotePolicy
    stage: str | None = Field(description="The one that runs.")
    stages: list[StageOut]
    attempts: int = Field(description="How often a trainer has taken it; each goes on with the first unfinished stage.")
    trainer: str | None
    queue: TrainingQueueOut | None = Field(
        description="While it waits for a trainer, for the first or for another one."
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime
    estimated_finish_at: datetime | None = Field(description="By what the stages took in the last training.")
    commit: str | None = Field(description="What was checked out.")
    data: dict[str, Any] | None = Field(description="What it is trained on: hashes by path, and the labels.")
    bundle: str | None = Field(description="The bundle that it made: what results carry as `bundle`.")
    version: str | None = Field(description="The bundle's number in the model registry, which promotions name.")
    verdict: GateVerdict | None
    promoted: bool | None = Field(description="Whether its model took the champion's place when it ended.")
    error: TrainingErrorOut | None
    webhook: WebhookOut | None
    trace_id: str | None = Field(description="Where the service traces: the trace from the request to the webhook.")
    url: str
    events_url: str
    log_url: str


class TrainingsOut(BaseModel):
    trainings: list[TrainingOut] = Field(description="Your own, the newest first.")
