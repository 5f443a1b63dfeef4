"""What the housekeeper does: repairing the shared state, keeping promises, and opening trainings by schedule."""

__all__ = [
    "promise_keeper",
    "reconciler",
    "training_schedule",
]
