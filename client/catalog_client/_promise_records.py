"""What the service answers about its promise, as typed records."""

from dataclasses import dataclass
from datetime import date, datetime

from catalog_client._parsing import Record


@dataclass(frozen=True, kw_only=True)
class AuditedPrecision(Record):
    """How precise answers are, by those of them that people have looked at although they needed no review."""

    audited: int
    right: int = 0
    estimate: float | None = None
    """The share of right ones; None without an audited one."""
    at_least: float = 0
    """The lower bound of the precision, 95% sure."""
    at_most: float = 1
    """The upper bound, likewise."""


@dataclass(frozen=True, kw_only=True)
class CategoryPrecision(AuditedPrecision):
    """How precise the answers of one category are, with all below it."""

    code: str
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class WeekPrecision(AuditedPrecision):
    """How precise the answers of one week were."""

    week: date
    """Its Monday."""
    accepted: int = 0
    """How many answers were accepted."""


@dataclass(frozen=True, kw_only=True)
class ThresholdMove(Record):
    """One move of the threshold, and why."""

    at: datetime
    before: float | None = None
    after: float | None = None
    """None: the model's own threshold."""
    reason: str = ""
    by: str | None = None
    """The API key that moved it; None if the service did."""


@dataclass(frozen=True, kw_only=True)
class Promise(Record):
    """What is promised of the answers that are accepted without a person's look, and what is known of them."""

    says: str
    """How the promise stands, in a sentence."""
    state: str
    """kept, open (too few are audited to tell) or broken."""
    promised: float | None = None
    """The share of right answers; None before a model has served."""
    bundle: str | None = None
    """The bundle in service."""
    since: date | None = None
    """The first day that counts."""
    precision: AuditedPrecision
    threshold: float | None = None
    """The confidence from which on your answers are accepted; None if none is."""
    own_threshold: float | None = None
    """The threshold that training has chosen for the model."""
    lowest: float | None = None
    """The lowest threshold that the service would choose."""
    highest: float | None = None
    """The highest one."""
    pinned: bool = False
    """Whether somebody has set the threshold, so that the service does not move it."""
    by_category: tuple[CategoryPrecision, ...] = ()
    """The category with the most audits comes first."""
    by_week: tuple[WeekPrecision, ...] = ()
    """The oldest comes first."""
    moves: tuple[ThresholdMove, ...] = ()
    """The last moves of the threshold, the latest first."""
