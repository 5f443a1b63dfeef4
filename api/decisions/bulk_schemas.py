"""What clients send and get when they decide about all items of a filter."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.decisions.schemas import LONGEST_NOTE, By, Category, JobId
from api.lifecycle.decided import ChosenOut
from shared.ledger import ItemFilter, ItemStatus

_LONGEST_SEARCH, _LONGEST_CODE = 200, 128


class ItemFilterIn(BaseModel):
    """Items that are everything that is given; all, without anything."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    needs_review: bool | None = Field(None, description="Only items that need a review, or need none.")
    category: Annotated[str, Field(max_length=_LONGEST_CODE)] | None = Field(
        None, description="Only items answered with this category's code, or one below it."
    )
    min_confidence: float | None = Field(None, ge=0, le=1)
    max_confidence: float | None = Field(None, ge=0, le=1)
    branches_disagree: bool | None = Field(
        None, description="Only items of which text and picture alone are answered differently, or alike."
    )
    bundle: Annotated[str, Field(max_length=_LONGEST_CODE)] | None = Field(
        None, description="Only items that this bundle answered."
    )
    q: Annotated[str, Field(max_length=_LONGEST_SEARCH)] | None = Field(
        None,
        description="Words that all occur in title or description, as words or beginnings of words; accents and "
        "capitals do not count.",
    )

    def undecided(self, codes: Collection[str] | None) -> ItemFilter:
        """Return these items without those that are decided.

        Args:
            codes: Those of `category` and of all below it.
        """
        return ItemFilter(
            statuses=(ItemStatus.SUCCEEDED,),
            needs_review=self.needs_review,
            codes=codes,
            least=self.min_confidence,
            most=self.max_confidence,
            disagree=self.branches_disagree,
            bundle=self.bundle,
            decided=False,
            text=self.q or "",
        )


class BulkIn(BaseModel):
    """A decision about all undecided items of a filter: a category, or that none fits."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True, str_strip_whitespace=True)

    job_id: JobId
    filter: ItemFilterIn = Field(description="Which of the job's items; `{}` for all.")
    category: Category = None
    none_of_these: bool = Field(default=False, description="Whether no category fits.")
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] | None = Field(
        None, description="What would fit, in your words; beside `none_of_these` alone."
    )
    by: By = None

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if (self.category is not None) == self.none_of_these:
            raise ValueError("give exactly one of category and none_of_these")
        if self.note and not self.none_of_these:
            raise ValueError("a note stands beside none_of_these alone")
        return self


class BulkOut(BaseModel):
    """How far a decision about all items of a filter has got."""

    id: str
    job_id: str
    state: Literal["running", "completed", "failed", "undoing", "undone"]
    category: ChosenOut | None = Field(description="Null if it says that no category fits.")
    by: str
    decided: int = Field(description="How many items have been decided so far.")
    undone: int = Field(description="For how many of these the decision has been taken back so far.")
    problem: str | None = Field(description="Why it failed; what was decided before counts.")
    created_at: datetime
    url: str
