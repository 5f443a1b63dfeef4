"""The heartbeat of a worker or trainer: tells Redis every few seconds that the process lives, and renews its leases."""

import logging
import threading
from collections.abc import Callable

from redis import RedisError

from shared.background import Background
from shared.telemetry.worker_status import HEARTBEAT_S
from worker.process import metrics
from worker.process.health import HEARTBEAT_LIMIT_S, Watchdog

log = logging.getLogger(__name__)


class Heartbeat:
    """Calls `beat` every `HEARTBEAT_S` in a thread of its own; a beat may raise `RedisError`.

    Any other error is tried again, too. If it stays, the process counts as one that makes no progress, and is started
    again by whatever asks for its health.
    """

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._stopped = threading.Event()
        self._watchdog = Watchdog("the heartbeat", HEARTBEAT_LIMIT_S)
        self._background = Background("the heartbeat")
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current beat."""
        self._stopped.set()
        self._thread.join()

    def problem(self) -> str | None:
        """Why the process makes no progress; `None` if it does."""
        return self._watchdog.problem()

    def _run(self) -> None:
        while not self._stopped.is_set():
            if self._background.problem is None:
                self._watchdog.beat()
            with self._background.turn():
                try:
                    self._beat()
                except RedisError as error:
                    log.warning("heartbeat missed: %s", error)
                    metrics.HEARTBEATS_MISSED.inc()
            self._stopped.wait(HEARTBEAT_S)
