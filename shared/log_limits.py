"""A bound on what others can make a process log."""

import logging
import threading
import time
from collections.abc import Callable

_MINUTE_S = 60


class PerMinute(logging.Filter):
    """Passes a number of a logger's records in each minute, and counts the others: the next record tells how many.

    Args:
        most: Records of a minute.
        clock: Seconds that only grow.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._begun = float("-inf")
        self._passed = self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        with self._lock:
            now = self._clock()
            if now - self._begun >= _MINUTE_S:
                self._begun, self._passed = now, 0
            if self._passed >= self._most:
                self._left_out += 1
                return False
            self._passed += 1
            left_out, self._left_out = self._left_out, 0
        if left_out:
            record.msg = f"{record.getMessage()}; before it, {left_out:,} more were not logged"
            record.args = None
            record.__dict__["fields"] = {**record.__dict__.get("fields", {}), "left_out": left_out}
        return True
