"""What clients send and get about the promise."""

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from shared.ledger import WEEKS
from shared.promise import HIGHEST, SURE, PromiseState

_AT_LEAST = f"The lower bound of the precision, {SURE:.0%} sure, however often one looks."


class AuditedPrecisionOut(BaseModel):
    """How precise answers are, by those of them that were audited."""

    audited: int = Field(description="How many of them people have decided about, although they needed no review.")
    right: int
    estimate: float | None = Field(description="The share of right answers; null without an audited one.")
    at_least: float = Field(description=_AT_LEAST)
    at_most: float = Field(description="The upper bound, likewise.")


class CategoryPrecisionOut(AuditedPrecisionOut):
    code: str = Field(
        description="A category at the root of the tree; without a tree, one that items are answered with."
    )
    name: str


class WeekPrecisionOut(AuditedPrecisionOut):
    week: date = Field(description="The Monday on which it began (UTC).")
    accepted: int = Field(description="How many answers were accepted.")


class ThresholdMoveOut(BaseModel):
    at: datetime
    before: float | None
    after: float | None = Field(description="Null: the threshold of the model in service.")
    reason: str
    by: str | None = Field(description="The API key that moved it; null if the service did.")


class PromiseOut(BaseModel):
    """What is promised of the answers that are accepted without a person's look, and what is known of them."""

    says: str = Field(description="How the promise stands, in a sentence.")
    state: PromiseState = Field(
        description="`kept`: the lower bound reaches the promise. `open`: too few are audited to tell. `broken`: the "
        "upper bound does not reach it."
    )
    promised: float | None = Field(
        description="The share of right answers that the model in service promises; null before one has served."
    )
    bundle: str | None = Field(description="The bundle in service.")
    since: date = Field(description=f"The first day that counts: {WEEKS} weeks do, the current one among them.")
    precision: AuditedPrecisionOut
    threshold: float | None = Field(
        description="The confidence from which on your answers are accepted; null if none is."
    )
    own_threshold: float | None = Field(description="The threshold that training has chosen for the model.")
    lowest: float | None = Field(description="The lowest threshold that the service would choose.")
    highest: float = Field(HIGHEST, description="The highest one.")
    pinned: bool = Field(description="Whether somebody has set the threshold, so that the service does not move it.")
    by_category: list[CategoryPrecisionOut] = Field(
        description="By the model's answer; the category with the most audits comes first, at most 100 are there. Some "
        "answers were audited for this alone and do not count above."
    )
    by_week: list[WeekPrecisionOut] = Field(
        description="The weeks with an accepted or audited answer, the oldest first."
    )
    moves: list[ThresholdMoveOut] = Field(description="The last 50 moves of the threshold, the latest first.")


class ThresholdIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    threshold: float | None = Field(
        ge=0,
        le=1,
        description="The confidence from which on answers are accepted, until it is changed here; null lets the "
        "service move it again, from the model's own threshold on.",
    )
    reason: str | None = Field(None, max_length=500, description="Why, for the record.")
