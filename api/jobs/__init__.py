"""Bulk jobs: accepting them, their state and results, `/predict`, webhook deliveries and quotas."""

__all__ = [
    "deliveries",
    "explanations",
    "items",
    "predict",
    "quota",
    "render",
    "routes",
    "schemas",
]
