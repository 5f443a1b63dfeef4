"""What the housekeeper does: repairing the shared state, scheduled trainings, columns for new categories."""

__all__ = [
    "new_categories",
    "reconciler",
    "training_schedule",
]
