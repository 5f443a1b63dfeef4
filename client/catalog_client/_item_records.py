"""Items of a job: what was sent, beside what was answered and decided."""

from dataclasses import dataclass

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
