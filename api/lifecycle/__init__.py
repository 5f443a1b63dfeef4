"""What jobs and trainings have in common: their options, the step that opens them, their webhook and their times."""

__all__ = [
    "counts",
    "decided",
    "names",
    "opening",
    "options",
    "quotas",
    "times",
    "webhook_events",
    "webhooks",
]
