"""Decisions about results: accepting them, taking them back, and telling them to other systems."""

__all__ = [
    "index",
    "routes",
    "schemas",
    "submission",
]
