"""The chunks that a worker has in hand, and the heartbeat that keeps their leases."""

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
    """Leases held, renewed by `beat` until their work is done, has failed, or takes too long."""

    def __init__(self, ledger: Ledger, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._timeout_s = timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, tuple[Lease, float]] = {}

    @contextmanager
    def hold(self, lease: Lease, *, timeout_s: float | None = None) -> Iterator[None]:
        """Keep the lease alive for so long at the most.

        A chunk whose work fails is handed back, to be tried again after a pause; the failure is logged and goes no
        further.
        """
        until = self._clock() + (self._timeout_s if timeout_s is None else timeout_s)
        with self._lock:
            self._held[lease.member] = (lease, until)
        try:
            yield
        except Exception as error:
            pause = min(2.0 ** (lease.losses + 1), _LONGEST_PAUSE_S)
            log.exception("chunk %s failed, tried again in %.0f s: %s", lease.member, pause, error)
            self._ledger.defer(lease, pause)
        finally:
            with self._lock:
                self._held.pop(lease.member, None)

    def renew(self) -> None:
        """Renew what is in hand, but for what takes too long."""
        self._ledger.renew(self._in_time())

    def overdue(self) -> list[str]:
        """Chunks whose work should have ended: a thread stands still."""
        with self._lock:
            now = self._clock()
            return [member for member, (_, until) in self._held.items() if now >= until]

    def hand_back(self) -> None:
        """For others to take at once; a lease that is overdue runs out by itself, so that its chunk counts as lost."""
        try:
            self._ledger.release(self._in_time())
        except RedisError as error:
            log.warning("leases are left to run out: %s", error)

    def _in_time(self) -> list[Lease]:
        with self._lock:
            now = self._clock()
            return [lease for lease, until in self._held.values() if now < until]
