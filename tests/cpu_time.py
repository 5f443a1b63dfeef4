"""CPU time of a call, for tests that compare how it grows."""

import time
from collections.abc import Callable


def cpu_seconds(function: Callable[[str], object], text: str) -> float:
    """Return the least of several tries, so that a busy machine changes it little."""
    tries = []
    for _ in range(3):
        begun = time.process_time()
        function(text)
        tries.append(time.process_time() - begun)
    return min(tries)
