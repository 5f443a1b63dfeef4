"""Registered models: which one serves, and changing that."""

__all__ = [
    "routes",
    "schemas",
    "served",
]
