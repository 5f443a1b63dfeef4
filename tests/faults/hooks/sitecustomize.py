"""Run by Python at its start if this folder is on PYTHONPATH: certain titles then harm the process computing them."""

import os
import signal
import time

from shared import words

KILLS, HANGS, RAISES = "poison that kills", "poison that hangs", "poison that raises"

_harmless = words.words


def _words(title: str | None, description: str | None = None) -> list[str]:
    if title == KILLS:
        os.kill(os.getpid(), signal.SIGKILL)
    while title == HANGS:
        time.sleep(1)
    if title == RAISES:
        raise MemoryError
    return _harmless(title, description)


if __name__ == "sitecustomize":  # not where a test looks the titles up
    words.words = _words
