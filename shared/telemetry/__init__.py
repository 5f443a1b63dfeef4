"""What a process tells of itself: logs, traces, and its status in Redis."""

__all__ = [
    "logs",
    "tracing",
    "worker_status",
]
