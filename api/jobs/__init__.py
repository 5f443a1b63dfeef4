"""Bulk jobs: accepting them, their state and results, the synchronous `/predict`, and webhook deliveries."""

__all__ = [
    "deliveries",
    "predict",
    "routes",
    "schemas",
]
