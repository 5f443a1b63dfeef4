"""What the tasks of a queue share: built once per process, before its threads start.

Building imports modules such as MLflow's. If several threads imported these at once, some would get half of a module.
"""

import logging
from collections.abc import Callable, Collection
from functools import cache
from typing import TypeVar

log = logging.getLogger(__name__)

Service = TypeVar("Service")

_declared: list[tuple[str, Callable[[], object]]] = []


def service(queue: str) -> Callable[[Callable[[], Service]], Callable[[], Service]]:
    """Declare how the service of this queue's tasks is built; the function returned builds it at most once."""

    def declare(build: Callable[[], Service]) -> Callable[[], Service]:
        once = cache(build)
        _declared.append((queue, once))
        return once

    return declare


def build_services(queues: Collection[str]) -> None:
    """Build the services of these queues. One that cannot be built is tried again by each of its tasks."""
    for queue, build in _declared:
        if queue in queues:
            try:
                build()
            except Exception:
                log.exception("a service for the queue %s cannot be built", queue)
