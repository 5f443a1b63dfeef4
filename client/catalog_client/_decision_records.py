"""Decisions about results: as programs send them, and as the service answers."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from catalog_client._parsing import Record
from catalog_client._records import Category, ChosenCategory, DecisionInForce


@dataclass(frozen=True, kw_only=True)
class Decision:
    """A decision about a result: a category, that none fits, or nothing yet (`skip`)."""

    job_id: str
    index: int
    """The item's position in the job."""
    category: str | int | None = None
    """Its code, its name, or a path of names."""
    none_of_these: bool = False
    note: str | None = None
    """What would fit; beside `none_of_these` alone."""
    skip: bool = False
    copies: bool = False
    """The same is decided about all near copies of the item that are open and that nobody else has."""
    also: tuple[tuple[str, int], ...] = ()
    """Other items, by job and index, about which the same is decided."""
    by: str | None = None
    """The person who decided; by default the API key's id."""
    took_ms: int | None = None

    def body(self) -> dict[str, Any]:
        """Return the decision as the service takes it."""
        facts = {name: fact for name, fact in asdict(self).items() if fact not in (None, ()) and fact is not False}
        if self.also:
            facts["also"] = [{"job_id": job, "index": index} for job, index in self.also]
        return facts


@dataclass(frozen=True, kw_only=True)
class DecisionSummary(Record):
    """What became of the decisions of one request."""

    id: str
    accepted: int
    decided: int = 0
    skipped: int = 0
    copies: int = 0
    """Those about copies of the items that the request named."""


@dataclass(frozen=True, kw_only=True)
class BulkDecision(Record):
    """How far a decision about all items of a filter has got."""

    id: str
    job_id: str
    state: str
    """running, completed, failed, undoing or undone."""
    category: ChosenCategory | None = None
    """None if it says that no category fits."""
    by: str = ""
    decided: int = 0
    """How many items have been decided so far."""
    undone: int = 0
    """For how many of these the decision has been taken back so far."""
    problem: str | None = None
    """Why it failed; what was decided before counts."""
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class UndoneDecision(Record):
    """A decision that was taken back."""

    id: str
    job_id: str
    index: int
    decision: DecisionInForce | None = None
    """The earlier decision that is in force again."""
    copies: int = 0
    """Decisions about copies that were taken back with it."""


@dataclass(frozen=True, kw_only=True)
class UndoneDecisions(Record):
    """What was taken back, the latest decision first."""

    undone: tuple[UndoneDecision, ...]


@dataclass(frozen=True, kw_only=True)
class ToldDecision(Record):
    """A decision, or that an earlier one was taken back, in the order of arrival."""

    id: str
    cursor: str
    """What to go on after."""
    kind: str
    """category, none_of_these, skip or undo."""
    job_id: str
    index: int
    by: str
    item_id: str | None = None
    category: ChosenCategory | None = None
    note: str | None = None
    undoes: str | None = None
    """The id of the decision that is taken back."""
    like: str | None = None
    """The id of the decision that it came with, about a near copy."""
    at: datetime | None = None
    took_ms: int | None = None
    suggested: Category | None = None
    """What the model had answered."""


@dataclass(frozen=True, kw_only=True)
class DecisionsPage(Record):
    """A page of decisions in the order of arrival."""

    decisions: tuple[ToldDecision, ...]
    next_cursor: str | None = None
