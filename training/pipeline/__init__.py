"""What the stages have in common: places of files, splits, prepared items, progress and MLflow runs."""

__all__ = [
    "categories",
    "layout",
    "prepared",
    "progress",
    "splits",
    "tracking",
]
