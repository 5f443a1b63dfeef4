"""What every Celery process has beside its work: metrics, health, the port that serves both, and a heartbeat."""

__all__ = [
    "health",
    "heartbeat",
    "messages",
    "metrics",
    "port",
]
