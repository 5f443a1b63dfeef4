"""Loops beside requests and tasks, which no error may end: what happens is told, and the next turn is tried."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from redis import RedisError

log = logging.getLogger(__name__)

_EXPECTED = (OSError, RedisError)
"""What a store or a network that is away, or a damaged file, raises; anything else is a mistake of ours."""
_LENGTH = 500


class Background:
    """Work that a loop repeats until its process ends.

    Args:
        what: Human-readable name of the work, with which messages begin.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self.problem: str | None = None
        """Why the last turn failed, human-readable; `None` if it did not."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Do one turn of the loop. Any error ends the turn alone, and is logged, once for as long as it is the same."""
        try:
            yield
        except Exception as error:
            self._tell(error)
        else:
            self.goes_on()

    def goes_on(self) -> None:
        """Say that it works; to be called within a turn that lasts as long as all is well."""
        if self.problem is not None:
            log.info("%s goes on again", self._what)
        self.problem = None

    def _tell(self, error: Exception) -> None:
        expected = isinstance(error, _EXPECTED)
        why = str(error) if expected and str(error) else f"{type(error).__name__}: {error}"
        problem = f"{self._what} cannot go on, and is tried again: {why[:_LENGTH]}"
        if problem != self.problem:
            log.log(logging.WARNING if expected else logging.ERROR, "%s", problem, exc_info=None if expected else error)
        self.problem = problem
