"""What keeps a worker from its chunks and is no item's fault, such as a blob store that is away: for `/health`."""

import logging
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

_FRESH_S = 60.0
"""A chunk that waits is tried again far sooner, so a trouble that is not seen for this long is over."""


class Trouble:
    """The last trouble that was noted; any number of threads may note one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._noted: tuple[str, float] | None = None

    def note(self, error: Exception) -> None:
        if self.warning is None:
            log.warning("chunks are postponed until this is over: %s", error)
        self._noted = (str(error), self._clock())

    @property
    def warning(self) -> str | None:
        """Human-readable; `None` if there was none lately."""
        noted = self._noted
        if noted is None or self._clock() - noted[1] > _FRESH_S:
            return None
        return f"chunks wait until this is over: {noted[0]}"
