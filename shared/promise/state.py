"""Whether a promise is kept."""

from enum import StrEnum

from shared.promise.bounds import Precision


class PromiseState(StrEnum):
    KEPT = "kept"
    """The lower bound of the precision is what was promised, or more."""
    OPEN = "open"
    """The audited answers are too few to tell."""
    BROKEN = "broken"
    """The upper bound is below the promise, or no threshold is expected to keep it."""


def state_of(precision: Precision, promised: float, *, at_limit: bool = False) -> PromiseState:
    """Return whether this precision is the promised one.

    Args:
        at_limit: Whether even the highest threshold is not expected to be enough.
    """
    if precision.at_most < promised or at_limit:
        return PromiseState.BROKEN
    return PromiseState.KEPT if precision.at_least >= promised else PromiseState.OPEN
