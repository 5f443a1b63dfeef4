"""The Celery app of the workers: its configuration, its periodic tasks, and how a process starts and ends.

Start it with `celery -A worker.app worker`.
"""

from worker.app.configuration import app

__all__ = [
    "app",
    "lifecycle",
    "periodic",
    "services",
]
