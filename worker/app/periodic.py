"""How a periodic task is registered, so that Celery beat sends it."""

from collections.abc import Callable
from typing import Any

from celery.schedules import crontab

from shared.queues import Task
from worker.app.configuration import app

Body = Callable[..., None]


def periodic(task: Task, *, every: float) -> Callable[[Body], Any]:
    """Register a task's body, and have Celery beat send the task every `every` seconds.

    A message not taken in time expires: the next one does the same.
    """

    def register(body: Body) -> Any:
        registered = app.task(name=task.value)(body)
        app.add_periodic_task(every, registered.s(), name=task.value, queue=task.queue, expires=max(5.0, every / 2))
        return registered

    return register


def scheduled(task: Task, line: str | None, setting: str) -> Callable[[Body], Any]:
    """Register a task's body, and have Celery beat send the task at the times of a crontab line, if there is one.

    Args:
        setting: Where the line comes from.

    Raises:
        ValueError: the line is malformed.
    """

    def register(body: Body) -> Any:
        registered = app.task(name=task.value)(body)
        if line:
            app.add_periodic_task(_crontab(line, setting), registered.s(), name=task.value, queue=task.queue)
        return registered

    return register


def _crontab(line: str, setting: str) -> crontab:
    try:
        return crontab.from_string(line)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{setting}: {line!r} is not a crontab line such as '0 3 * * 0': {error}") from error
