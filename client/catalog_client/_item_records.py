"""Items of a job: what was sent, beside what was answered and decided."""

from dataclasses import dataclass
from datetime import datetime

from catalog_client._parsing import Record
from catalog_client._records import DecisionInForce, Result


@dataclass(frozen=True, kw_only=True)
class JobItem(Record):
    """An item of a job as it was sent, beside its result."""

    result: Result
    title: str | None = None
    description: str | None = None
    image_url: str | None = None
    """The URL that was sent of its picture."""
    picture_url: str | None = None
    """Where the service has the picture; `picture` of the client reads it."""
    kept: bool = False
    """Whether what was sent is kept; if not, there is only the result."""
    decision: DecisionInForce | None = None
    """What a person decided about it."""


@dataclass(frozen=True, kw_only=True)
class ItemsPage(Record):
    """A page of a job's items."""

    job_id: str
    items: tuple[JobItem, ...]
    next_cursor: str | None = None
    state: str = ""


@dataclass(frozen=True, kw_only=True)
class NearCopy(Record):
    """An open item that differs from a card's item in numbers, sizes or colours alone, or has its picture."""

    job_id: str
    index: int
    id: str
    title: str | None = None


@dataclass(frozen=True, kw_only=True)
class NearCopies(Record):
    """The near copies of a card's item."""

    count: int
    items: tuple[NearCopy, ...] = ()
    """The nearest of them."""


@dataclass(frozen=True, kw_only=True)
class Card(Record):
    """An item that needs a look, reserved for one person together with its near copies."""

    job_id: str
    index: int
    item: JobItem
    copies: NearCopies
    reserved_until: datetime


@dataclass(frozen=True, kw_only=True)
class NextCards(Record):
    """The cards that a person has taken."""

    cards: tuple[Card, ...]


@dataclass(frozen=True, kw_only=True)
class Released(Record):
    """How many cards a person has given back."""

    released: int
