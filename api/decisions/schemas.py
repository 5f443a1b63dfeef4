"""What clients send and get about decisions."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.items.schemas import only_if
from api.lifecycle.decided import ChosenOut, DecidedOut
from shared.ledger import Decisions, ReviewQueue
from shared.stores.decisions import DecisionKind

LONGEST_NOTE = 1000
_DAY_MS = 24 * 3600 * 1000
MOST_NAMED = 300
"""Items that one part of a request lists; an item of a body may have 1,000 values."""
_CHOICES = ("category", "none_of_these", "skip")

By = Annotated[
    Annotated[str, Field(min_length=1, max_length=100)] | None,
    Field(description="Who decided; by default the API key's id."),
]
Category = Annotated[
    Annotated[str, Field(min_length=1, max_length=1000)] | None,
    Field(
        description="What the item is: a category of the taxonomy (`GET /v1/taxonomy`), by its code, its name in any "
        "language, or a path of names such as `Chaussures > Bottes`. Trainings learn from leaves; a category with "
        "others below it says all that one can tell."
    ),
]
JobId = Annotated[str, Field(min_length=1, max_length=64, description="One of your jobs whose results are still kept.")]
Index = Annotated[int, Field(ge=0, le=10**9, description="The position of the item in that job, from 0.")]


class ItemRefIn(BaseModel):
    """An item of one of your jobs."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    job_id: JobId
    index: Index


class DecisionIn(BaseModel):
    """A decision about a result: a category, `none_of_these`, or `skip`."""

    model_config = ConfigDict(
        extra="forbid",
        coerce_numbers_to_str=True,
        str_strip_whitespace=True,
        json_schema_extra=only_if({"anyOf": [{"required": [name]} for name in _CHOICES]}),
    )

    job_id: JobId
    index: Index
    category: Category = None
    none_of_these: bool = Field(default=False, description="Whether no category fits.")
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] | None = Field(
        None, description="What would fit, in your words; beside `none_of_these` alone."
    )
    skip: bool = Field(default=False, description="Whether the item stays open, for somebody else.")
    copies: bool = Field(
        default=False,
        description="Whether the same is decided about all near copies of the item that are open and that nobody else "
        f"has reserved, up to {ReviewQueue.MOST_COPIES:,}; beside `category` or `none_of_these`.",
    )
    also: list[ItemRefIn] = Field(
        default=[],
        max_length=MOST_NAMED,
        description="Other items about which the same is decided, such as a part of the near copies; beside `category` "
        "or `none_of_these`, and not in CSV.",
    )
    by: By = None
    took_ms: int | None = Field(None, ge=0, le=_DAY_MS, description="How long the person took, in milliseconds.")

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if (self.category is not None) + self.none_of_these + self.skip != 1:
            raise ValueError("give exactly one of category, none_of_these and skip")
        if self.note and not self.none_of_these:
            raise ValueError("a note stands beside none_of_these alone")
        if self.skip and (self.copies or self.also):
            raise ValueError("copies and also stand beside category or none_of_these")
        if self.copies and self.also:
            raise ValueError("give copies, for all of them, or also, for a part")
        return self

    @property
    def kind(self) -> DecisionKind:
        if self.skip:
            return DecisionKind.SKIP
        return DecisionKind.NONE_OF_THESE if self.none_of_these else DecisionKind.CATEGORY


class DecisionsIn(BaseModel):
    decisions: list[DecisionIn] = Field(min_length=1)


class DecisionsOut(BaseModel):
    """What became of the decisions of a request."""

    id: str = Field(description="The name of the request's decisions in the store.")
    accepted: int = Field(description="How many decisions were kept, those about copies among them.")
    decided: int = Field(description="How many of them came into force: all but those that skip an item.")
    skipped: int
    copies: int = Field(0, description="How many of them are about copies of the items that the request names.")


class UndoIn(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    count: int = Field(
        1,
        ge=1,
        le=Decisions.UNDOABLE,
        description="How many decisions are taken back, each with those about copies that came with it.",
    )
    by: By = None


class UndoneDecisionOut(BaseModel):
    id: str = Field(description="The id of the decision that was taken back.")
    job_id: str
    index: int = Field(description="The position of the item in that job.")
    decision: DecidedOut | None = Field(
        description="The earlier decision that is in force again; null if there is none, or results are gone."
    )
    copies: int = Field(0, description="How many decisions about copies were taken back with it.")


class UndoneOut(BaseModel):
    undone: list[UndoneDecisionOut] = Field(
        description="What was taken back, the latest decision first: fewer than asked for, if there were no more."
    )


class SuggestedOut(ChosenOut):
    """The model's answer."""

    confidence: float
    bundle: str


class DecisionOut(BaseModel):
    """A decision, or that an earlier one was taken back."""

    id: str
    cursor: str = Field(description="The cursor that leads to what follows this decision.")
    kind: DecisionKind = Field(
        description="`undo`: an earlier decision is taken back. In force is the latest `category` or `none_of_these` "
        "of an item that was not taken back."
    )
    job_id: str
    index: int = Field(description="The position of the item in that job.")
    item_id: str | None = Field(description="The item's id in that job; null for `undo`.")
    category: ChosenOut | None = Field(description="Null unless `kind` is `category`.")
    note: str | None
    undoes: str | None = Field(description="The id of the decision that is taken back.")
    like: str | None = Field(
        description="The id of the decision or `undo` that this one came with, about a near copy; null for others."
    )
    by: str
    at: datetime = Field(description="When the decision arrived.")
    took_ms: int | None
    suggested: SuggestedOut | None = Field(description="What the model had answered; null for `undo`.")


class DecisionPageOut(BaseModel):
    decisions: list[DecisionOut] = Field(description="Your decisions in the order of their arrival.")
    next_cursor: str | None = Field(
        description="What to send as `since` to get what follows, perhaps later; null if there is nothing yet."
    )
