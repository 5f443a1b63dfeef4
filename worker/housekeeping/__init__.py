"""What the housekeeper does: repairing the shared state, and opening trainings by schedule."""

__all__ = [
    "reconciler",
    "training_schedule",
]
