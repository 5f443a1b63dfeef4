"""Bounds how much of a worker each lane may use, so that bulk jobs leave room for interactive ones."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from shared.queues import Lane


class LaneSlots:
    """The slots for chunks, and the threads that prepare pictures.

    Args:
        bulk_slots: Bulk chunks that may be worked on at a time; interactive ones are not limited.
        prepare_threads: Threads per lane.
    """

    def __init__(self, bulk_slots: int, prepare_threads: int) -> None:
        self._bulk = threading.BoundedSemaphore(bulk_slots)
        # One pool per lane: the slow picture URLs of a bulk job must not delay an interactive item.
        self._pools = {lane: ThreadPoolExecutor(prepare_threads, thread_name_prefix=f"prepare-{lane}") for lane in Lane}

    def pool(self, lane: Lane) -> ThreadPoolExecutor:
        """Return the threads that fetch and decode the lane's pictures."""
        return self._pools[lane]

    @contextmanager
    def slot(self, lane: Lane) -> Iterator[bool]:
        """Reserve a slot for the lane's chunks; gives whether one was free."""
        if lane is Lane.INTERACTIVE:
            yield True
            return
        free = self._bulk.acquire(blocking=False)
        try:
            yield free
        finally:
            if free:
                self._bulk.release()
