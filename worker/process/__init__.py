"""What every Celery process has beside its work: metrics, health and their port, a heartbeat, and its memory."""

__all__ = [
    "health",
    "heartbeat",
    "memory",
    "messages",
    "metrics",
    "port",
]
