"""The bounded priority queue in front of the model, from which micro-batches are taken."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any


class Priority(IntEnum):
    URGENT = 0
    BULK = 1


class Kind(StrEnum):
    """What a request holds, hence which network it needs; a micro-batch holds one kind only."""

    TEXT = "text"
    PICTURE = "picture"
    FEATURES = "features"
    """A picture whose VGG16 features are known."""


@dataclass(slots=True)
class EngineRequest:
    """Inputs whose answers arrive together, in one future."""

    kind: Kind
    priority: Priority
    inputs: Sequence[Any]
    future: "Future[Any]" = field(default_factory=Future)
    made_at: float = field(default_factory=time.perf_counter)
    """Value of `time.perf_counter`."""


class RequestQueue:
    """Requests by priority and kind: the most urgent are taken first.

    Of these come texts first, because what they answer decides which pictures follow, and all the texts of a chunk take
    as long as one picture. After texts it is the turn of what has waited longest, so that pictures are never left
    waiting for a stream of texts.

    Args:
        limit: Inputs of one priority that may wait. `put` blocks until there is room, so that the preparation of inputs
            is never far ahead of the model. A larger request waits until the queue of its priority is empty.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = {priority: {kind: deque[tuple[int, EngineRequest]]() for kind in Kind} for priority in Priority}
        self._inputs = dict.fromkeys(Priority, 0)
        self._count = 0
        self._took_texts = False
        self._closed = False
        self._changed = threading.Condition()

    def put(self, request: EngineRequest) -> None:
        """Add a request; raises `RuntimeError` once the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(request))
            if self._closed:
                raise RuntimeError("the engine is closed: it takes no more requests")
            self._count += 1
            self._inputs[request.priority] += len(request.inputs)
            self._waiting[request.priority][request.kind].append((self._count, request))
            self._changed.notify_all()

    def take(self, limits: dict[Kind, int]) -> list[EngineRequest]:
        """Take a micro-batch: at least one request, and more of its priority and kind up to `limits[kind]` inputs.

        Priorities are not mixed, so that an interactive item does not wait for bulk ones in its batch.

        Returns:
            The requests; none once the queue is closed and empty.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._most_urgent() is not None)
            priority = self._most_urgent()
            if priority is None:
                return []
            batch = self._next(priority, limits)
            self._inputs[priority] -= sum(len(request.inputs) for request in batch)
            self._changed.notify_all()
            return batch

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _most_urgent(self) -> Priority | None:
        return next((priority for priority in Priority if any(self._waiting[priority].values())), None)

    def _has_room(self, request: EngineRequest) -> bool:
        waiting = self._inputs[request.priority]
        return waiting == 0 or waiting + len(request.inputs) <= self._limit

    def _next(self, priority: Priority, limits: dict[Kind, int]) -> list[EngineRequest]:
        queues = self._waiting[priority]
        kind = min((kind for kind in Kind if queues[kind]), key=lambda kind: queues[kind][0][0])
        if queues[Kind.TEXT] and not self._took_texts:
            kind = Kind.TEXT
        self._took_texts = kind is Kind.TEXT
        queue, inputs = queues[kind], 0
        batch: list[EngineRequest] = []
        while queue and (not batch or inputs + len(queue[0][1].inputs) <= limits[kind]):
            _, request = queue.popleft()
            batch.append(request)
            inputs += len(request.inputs)
        return batch
