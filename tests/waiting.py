"""Wait for a condition instead of sleeping."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

T = TypeVar("T")


def wait_for(what: str, probe: Callable[[], T | None], timeout_s: float = 60, pause_s: float = 0.05) -> T:
    """The first answer of `probe`, asked every `pause_s`, that is neither `None` nor false; fails after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        if found := probe():
            return found
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:g} s"
        time.sleep(pause_s)


def finished(api: httpx.Client, url: str, timeout_s: float = 90) -> dict[str, Any]:
    """The job at `url` once it has ended; its counts must add up all the way."""

    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = api.get(url).raise_for_status().json()
        counts = job["counts"]
        parts = ("pending", "succeeded", "failed", "invalid", "cancelled", "expired")
        assert sum(counts[part] for part in parts) == counts["total"]
        return job if job["finished_at"] else None

    return wait_for(f"{url} ends", ended, timeout_s)
