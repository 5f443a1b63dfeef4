"""What clients send and get when a person takes the next items."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.decisions.schemas import MOST_NAMED, By, ItemRefIn
from api.jobs.schemas import ItemOut

_MOST_CARDS, _LONGEST_MINUTES, _LONGEST_CODE = 50, 60, 128
SHOWN_COPIES = 20
"""Copies of a card that an answer lists."""


class NextCardsIn(BaseModel):
    """Which cards a person wants, and for how long."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    limit: int = Field(10, ge=1, le=_MOST_CARDS, description="The largest number of cards.")
    job_id: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="Only items of this job; their copies may be of others. By default of all your jobs."
    )
    category: Annotated[str, Field(min_length=1, max_length=_LONGEST_CODE)] | None = Field(
        None, description="Only items answered with this category's code, or one below it."
    )
    minutes: int = Field(10, ge=1, le=_LONGEST_MINUTES, description="For how long the cards are reserved.")
    by: By = None


class CopyOut(BaseModel):
    """A near copy of a card's item."""

    job_id: str
    index: int
    id: str
    title: str | None


class CopiesOut(BaseModel):
    """The near copies that are reserved with a card's item."""

    count: int
    items: list[CopyOut] = Field(description=f"The nearest {SHOWN_COPIES} of them.")


class CardOut(BaseModel):
    """An item that needs a look, with its near copies; they are reserved together."""

    job_id: str
    index: int = Field(description="The position of the item in that job.")
    item: ItemOut
    copies: CopiesOut
    reserved_until: datetime = Field(description="When it goes to somebody else, unless it is decided by then.")


class NextCardsOut(BaseModel):
    cards: list[CardOut] = Field(
        description="The cards, those most worth a look first: fewer than asked for, or none, if nothing else is open "
        "that nobody has."
    )


class ReleaseIn(BaseModel):
    """Which cards a person gives back."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    items: list[ItemRefIn] | None = Field(
        None, min_length=1, max_length=MOST_NAMED, description="The items of these cards; by default all cards."
    )
    by: By = None


class ReleasedOut(BaseModel):
    released: int = Field(description="How many cards were given back, which others may take now.")
