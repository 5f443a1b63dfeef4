"""Work that waits for other systems: delivering webhooks, and logging jobs to MLflow."""

__all__ = [
    "tracking",
    "webhooks",
]
