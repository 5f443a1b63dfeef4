"""The states of a job, and which may follow which; the outcomes of an item; the states of a webhook."""

from enum import StrEnum
from types import MappingProxyType


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    """Every item was classified."""
    PARTIAL = "partial"
    """Some items were classified, others failed or were invalid."""
    FAILED = "failed"
    """No item was classified, or more failed than the job's error budget allows."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """The deadline came first."""


_ENDS = frozenset(
    {JobState.COMPLETED, JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED},
)

TRANSITIONS = MappingProxyType(
    {
        JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.EXPIRED}),
        JobState.RUNNING: _ENDS,
        **{end: frozenset[JobState]() for end in _ENDS},
    }
)
"""Enforced by every step in Redis: the Lua scripts read this very table."""

TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)


class ItemStatus(StrEnum):
    """What became of an item; it has exactly one of them, once its job has ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INVALID = "invalid"
    """Skipped when the job was accepted, because the client asked for that."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class WebhookState(StrEnum):
    """Where a job's webhook is."""

    WAITING = "waiting"
    DELIVERING = "delivering"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    FAILED = "failed"
    DISABLED = "disabled"
    """The endpoint wants no more deliveries."""
