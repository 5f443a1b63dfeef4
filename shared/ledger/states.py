"""The states of a job with the legal transitions, the outcomes of an item, and the states of a webhook."""

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
    """The deadline passed first."""


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
"""Every step in Redis enforces this table: it is put in front of each Lua script."""

TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)


class ItemStatus(StrEnum):
    """The status of an item's outcome; each item has exactly one once its job has ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INVALID = "invalid"
    """Skipped when the job was accepted, as its `on_invalid` requests."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class PictureUse(StrEnum):
    """Which pictures of a job the model looks at."""

    WHEN_NEEDED = "when_needed"
    """Those that can change the answer; where the text alone is sure, the picture is not looked at."""
    ALWAYS = "always"


class AuditKind(StrEnum):
    """How an accepted answer came to be audited: looked at by a person although it needs no review."""

    DRAWN = "drawn"
    """With a chance that is the same for all of them: these show their precision."""
    FLOOR = "floor"
    """Besides, because few of its category were drawn this week: it shows the precision of the category alone."""


class WebhookState(StrEnum):
    """The state of a job's webhook."""

    WAITING = "waiting"
    DELIVERING = "delivering"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    FAILED = "failed"
    DISABLED = "disabled"
    """The endpoint accepts no more deliveries."""
