"""The states of a job, and which may follow which."""

from enum import StrEnum
from types import MappingProxyType


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    """Every item was classified."""
    PARTIAL = "partial"
    """Some items were classified, others failed."""
    FAILED = "failed"
    """No item was classified."""
    CANCELLED = "cancelled"


_OUTCOMES = frozenset({JobState.COMPLETED, JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED})

TRANSITIONS = MappingProxyType(
    {
        JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED}),
        JobState.RUNNING: _OUTCOMES,
        **{outcome: frozenset[JobState]() for outcome in _OUTCOMES},
    }
)
TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)
