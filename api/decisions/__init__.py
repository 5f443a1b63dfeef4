"""Decisions about results: accepting them, taking them back, and telling them to other systems."""

__all__ = [
    "bulk_routes",
    "bulk_schemas",
    "index",
    "routes",
    "schemas",
    "submission",
]
