"""Runs steps in a pool of threads, where a step may ask to be called again later and holds no thread until then."""

import heapq
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")


def in_turns(
    steps: Mapping[int, Callable[[], T | float]], pool: ThreadPoolExecutor, progressed: Callable[[], None]
) -> dict[int, T]:
    """Return what each step returns by its key, once all have.

    Args:
        steps: Each returns a result, or as a float the seconds after which to call it again. Those that need not wait
            overtake those that do.
        progressed: Called after each call of a step.

    Raises:
        Exception: a step's own; steps that have not begun are not called any more.
    """
    running: dict[Future[T | float], int] = {pool.submit(step): key for key, step in steps.items()}
    later: list[tuple[float, int]] = []
    results: dict[int, T] = {}
    try:
        while running or later:
            while later and later[0][0] <= time.monotonic():
                _, key = heapq.heappop(later)
                running[pool.submit(steps[key])] = key
            due_s = max(later[0][0] - time.monotonic(), 0) if later else None
            if not running:
                time.sleep(due_s or 0)
            for future in wait(running, due_s, FIRST_COMPLETED).done if running else ():
                key, result = running.pop(future), future.result()
                progressed()
                if isinstance(result, float):
                    heapq.heappush(later, (time.monotonic() + result, key))
                else:
                    results[key] = result
    finally:
        for future in running:
            future.cancel()
    return results
