"""What every Celery process has beside its work: metrics, health, the port that serves both, a heartbeat, and its memory."""

__all__ = [
    "health",
    "heartbeat",
    "memory",
    "messages",
    "metrics",
    "port",
]
