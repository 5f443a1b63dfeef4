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
_LONGEST_POSTPONEMENT_S = 10.0
"""What was away may be back: then its chunks should not wait for long."""


class HeldChunks:
    """Leases that the heartbeat renews until their work has ended or stands still.

    Args:
        timeout_s: How long no part of a chunk's work may be done before the work counts as stuck.
    """

    def __init__(self, ledger: Ledger, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._timeout_s = timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, tuple[Lease, float]] = {}

    @contextmanager
    def hold(self, lease: Lease, *, timeout_s: float | None = None) -> Iterator[Callable[[], None]]:
        """Have the lease renewed while the block runs; gives a function to call whenever a part of the work is done.

        Args:
            timeout_s: How long no part may be done; `None` for the usual limit.
        """

        def progressed() -> None:
            until = self._clock() + (self._timeout_s if timeout_s is None else timeout_s)
            with self._lock:
                self._held[lease.member] = (lease, until)

        progressed()
        try:
            yield progressed
        finally:
            with self._lock:
                self._held.pop(lease.member, None)

    def retry_later(self, lease: Lease, error: Exception) -> None:
        """Hand back a chunk whose work failed, to be tried again after a pause; it may be the cause itself."""
        pause = min(2.0 ** min(lease.losses + 1, 10), _LONGEST_PAUSE_S)
        log.error("chunk %s failed, tried again in %.0f s: %s", lease.member, pause, error, exc_info=error)
        self._ledger.defer(lease, pause)

    def postpone(self, lease: Lease) -> None:
        """Hand back a chunk that cannot be worked on now, through no fault of its own: it does not count as lost."""
        self._ledger.defer(lease, min(2.0 ** min(lease.attempt, 10), _LONGEST_POSTPONEMENT_S), lost=False)

    def renew(self) -> None:
        """Renew all leases except those that are overdue."""
        self._ledger.renew(self._in_time())

    def overdue(self) -> list[str]:
        """Chunks whose work stands still: a thread is stuck."""
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
