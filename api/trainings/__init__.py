"""Trainings: accepting them, their state and their log."""

__all__ = [
    "routes",
    "schemas",
    "submission",
]
