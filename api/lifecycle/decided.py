"""The decision in force of an item, as clients see it."""

from datetime import datetime

from pydantic import BaseModel, Field

from api.lifecycle.names import NameOf
from api.lifecycle.times import time_of
from shared.ledger import Decided


class ChosenOut(BaseModel):
    """A category that an item was given."""

    code: str = Field(description="The category's code in the taxonomy (`GET /v1/taxonomy`).")
    name: str


class DecidedOut(BaseModel):
    """What a person decided about an item, as it is in force."""

    id: str = Field(description="The decision's id.")
    category: ChosenOut | None = Field(description="Null if no category fits; it may have others below it.")
    note: str | None
    by: str = Field(description="Who decided.")
    at: datetime


def decided_out(decided: Decided, name_of: NameOf) -> DecidedOut:
    return DecidedOut(
        id=decided.place,
        category=chosen(decided.code, name_of),
        note=decided.note,
        by=decided.by,
        at=time_of(decided.at),
    )


def chosen(code: str | None, name_of: NameOf) -> ChosenOut | None:
    return None if code is None else ChosenOut(code=code, name=name_of(code))
