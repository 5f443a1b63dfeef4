"""What the housekeeper does: repairing the shared state, keeping promises, columns for new categories, trainings."""

__all__ = [
    "new_categories",
    "promise_keeper",
    "reconciler",
    "training_schedule",
]
