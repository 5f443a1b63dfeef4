"""Bulk jobs: accepting them, their state and results, `/predict`, webhook deliveries and quotas."""

__all__ = [
    "deliveries",
    "items",
    "predict",
    "quota",
    "routes",
    "schemas",
]
