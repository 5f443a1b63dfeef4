"""The chunks a worker holds a lease on."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis import RedisError

from shared.ledger import Lease, Ledger

log = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 30.0


class HeldChunks:
    """Leases that the heartbeat renews until their work has ended or takes too long.

    Args:
        timeout_s: How long the work on a chunk may take.
    """

    def __init__(self, ledger: Ledger, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._timeout_s = timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, tuple[Lease, float]] = {}

    @contextmanager
    def hold(self, lease: Lease, *, timeout_s: float | None = None) -> Iterator[None]:
        """Have the lease renewed while the block runs, for at most `timeout_s`."""
        until = self._clock() + (self._timeout_s if timeout_s is None else timeout_s)
        with self._lock:
            self._held[lease.member] = (lease, until)
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(lease.member, None)

    def retry_later(self, lease: Lease, error: Exception) -> None:
        """Hand back a chunk whose work failed, to be tried again after a pause."""
        pause = min(2.0 ** (lease.losses + 1), _LONGEST_PAUSE_S)
        log.error("chunk %s failed, tried again in %.0f s: %s", lease.member, pause, error, exc_info=error)
        self._ledger.defer(lease, pause)

    def renew(self) -> None:
        """Renew all leases except those that are overdue."""
        self._ledger.renew(self._in_time())

    def overdue(self) -> list[str]:
        """Chunks whose work should have ended by now: a thread is stuck."""
        with self._lock:
            now = self._clock()
            return [member for member, (_, until) in self._held.items() if now >= until]

    def hand_back(self) -> None:
        """Release the leases, so that others can take the chunks at once.

        An overdue lease is left to expire, so that its chunk counts as lost.
        """
        try:
            self._ledger.release(self._in_time())
        except RedisError as error:
            log.warning("leases are left to expire: %s", error)

    def _in_time(self) -> list[Lease]:
        with self._lock:
            now = self._clock()
            return [lease for lease, until in self._held.values() if now < until]
