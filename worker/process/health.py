"""Whether this process makes progress and can take work, judged without help from outside.

Neither Redis nor the broker is asked: a process that waits for them is healthy, and restarting it would help nobody.
"""

import time
from collections.abc import Callable
from typing import Any

from celery import bootsteps

Check = Callable[[], str | None]
"""Returns the problem as a human-readable sentence, or `None`."""

HEARTBEAT_LIMIT_S = 30.0
"""Twice as long as a heartbeat takes when every call to Redis times out."""

_LOOP_S = 1.0
_LOOP_LIMIT_S = 120.0
"""Twice as long as the loop may spend calling a broker that fell silent without closing the connection."""


class Watchdog:
    """Watches over something that must happen regularly, starting with its first beat.

    Args:
        what: Human-readable name of what is watched.
        limit_s: A longer silence is a problem.
    """

    def __init__(self, what: str, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._limit_s = limit_s
        self._clock = clock
        self._last: float | None = None

    def beat(self) -> None:
        self._last = self._clock()

    def pause(self) -> None:
        """Expect nothing until the next beat."""
        self._last = None

    def problem(self) -> str | None:
        last = self._last
        silence_s = 0.0 if last is None else self._clock() - last
        return f"{self._what} has stood still for {silence_s:.0f} s" if silence_s > self._limit_s else None


class ProcessHealth:
    """The health checks of one process; its parts add theirs as they start."""

    def __init__(self) -> None:
        self._liveness: list[Check] = []
        self._readiness: list[Check] = []
        self._started = False

    def mark_started(self) -> None:
        """Let readiness depend on the checks alone from now on."""
        self._started = True

    def add_liveness_check(self, check: Check) -> None:
        """Add a check whose problems only a restart by the supervisor can end."""
        self._liveness.append(check)

    def add_readiness_check(self, check: Check) -> None:
        self._readiness.append(check)

    def liveness_problems(self) -> list[str]:
        """Why the process makes no progress; empty if it does."""
        return _problems(self._liveness)

    def readiness_problems(self) -> list[str]:
        """Why the process takes no work; empty if it does."""
        return _problems(self._readiness) if self._started else ["it is starting"]


process_health = ProcessHealth()
"""The health of this process."""


class ConsumerLoopCheck(bootsteps.StartStopStep):
    """Watches Celery's consumer loop, which takes the messages and turns for as long as there is a connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._watchdog = Watchdog("the loop that takes messages", _LOOP_LIMIT_S)
        process_health.add_liveness_check(self._watchdog.problem)

    def start(self, consumer: Any) -> None:
        self._watchdog.beat()
        consumer.timer.call_repeatedly(_LOOP_S, self._watchdog.beat)

    def stop(self, consumer: Any) -> None:  # also called when the connection is lost, which removes the timer's entry
        self._watchdog.pause()


def watch_celery_beat(is_alive: Callable[[], bool]) -> None:
    """Add a liveness check for Celery beat, the housekeeper's clock: a process whose end nobody else would notice."""
    problem = "Celery beat, which sends out what is due, has ended"
    process_health.add_liveness_check(lambda: None if is_alive() else problem)


def _problems(checks: list[Check]) -> list[str]:
    return [problem for check in checks if (problem := check()) is not None]
