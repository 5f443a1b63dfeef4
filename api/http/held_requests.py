"""Requests that are answered slowly on purpose: streams of events, and waits for a job's end."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated

from api.dependencies import service
from api.http.problems import Problem

_RETRY_AFTER_S = 5


class HeldRequests:
    """Counts them by caller in this process, where each takes a connection and memory.

    Args:
        most: How many one caller may have at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many there are of all callers."""
        return self._held.total()

    @contextmanager
    def hold(self, caller: str) -> Iterator[None]:
        """Count one more while the context is open; raises `Problem` (429) if there are too many."""
        if self._held[caller] >= self._most:
            detail = (
                f"This key already has {self._most:,} event streams and waiting requests open here: close some, or "
                "follow several jobs by asking for each without waiting."
            )
            headers = {"Retry-After": str(_RETRY_AFTER_S)}
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, "too-many-waiting", detail, headers=headers)
        self._held[caller] += 1
        try:
            yield
        finally:
            self._held[caller] -= 1
            if not self._held[caller]:
                del self._held[caller]


HeldRequestsDep = Annotated[HeldRequests, service(lambda stores: HeldRequests(stores.settings.max_held_requests))]
