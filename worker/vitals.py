"""Whether this process makes progress, and whether it can take work, as far as it can tell by itself.

Neither Redis nor the broker is asked: a process that waits for them is as it should be, and to start it anew would
help nobody.
"""

import time
from collections.abc import Callable
from typing import Any

from celery import bootsteps

Check = Callable[[], str | None]
"""What is wrong, for people; `None`: nothing."""

HEART_LIMIT_S = 30.0
"""A beat whose calls to Redis all wait in vain takes half as long."""

_LOOP_S = 1.0
_LOOP_LIMIT_S = 120.0
"""Twice what the loop may spend in calls to a broker that has fallen silent without closing the connection."""


class Pulse:
    """Something that is to happen again and again, from its first beat on.

    Args:
        what: As people know it.
        limit_s: After such a silence it stands still.
    """

    def __init__(self, what: str, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what
        self._limit_s = limit_s
        self._clock = clock
        self._last: float | None = None

    def beat(self) -> None:
        self._last = self._clock()

    def rest(self) -> None:
        """Nothing is expected until the next beat."""
        self._last = None

    def trouble(self) -> str | None:
        last = self._last
        silence_s = 0.0 if last is None else self._clock() - last
        return f"{self._what} has stood still for {silence_s:.0f} s" if silence_s > self._limit_s else None


class Vitals:
    """Of one process: checks that are added as its parts start."""

    def __init__(self) -> None:
        self._live: list[Check] = []
        self._ready: list[Check] = []
        self._started = False

    def start(self) -> None:
        """From now on it may be ready."""
        self._started = True

    def must_live(self, check: Check) -> None:
        """Trouble that this finds is for a supervisor to end: it starts the process anew."""
        self._live.append(check)

    def must_be_ready(self, check: Check) -> None:
        self._ready.append(check)

    def dead(self) -> list[str]:
        """Why it makes no progress; empty where it does."""
        return _troubles(self._live)

    def unready(self) -> list[str]:
        """Why it takes no work; empty where it does."""
        return _troubles(self._ready) if self._started else ["it is starting"]


vitals = Vitals()
"""This process's."""


class LoopStep(bootsteps.StartStopStep):
    """Celery's consumer loop, which takes the messages: it turns for as long as there is a connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._pulse = Pulse("the loop that takes messages", _LOOP_LIMIT_S)
        vitals.must_live(self._pulse.trouble)

    def start(self, consumer: Any) -> None:
        self._pulse.beat()
        consumer.timer.call_repeatedly(_LOOP_S, self._pulse.beat)

    def stop(self, consumer: Any) -> None:  # also when the connection is lost, which takes the timer's entry along
        self._pulse.rest()


def watch_clock(is_alive: Callable[[], bool]) -> None:
    """Celery beat, the housekeeper's clock, is a process of its own that nobody else would miss."""
    vitals.must_live(lambda: None if is_alive() else "Celery beat, which gives out what is due, has ended")


def _troubles(checks: list[Check]) -> list[str]:
    return [trouble for check in checks if (trouble := check()) is not None]
