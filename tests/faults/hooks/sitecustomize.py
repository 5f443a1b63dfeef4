"""Python runs this at its start where this folder is on PYTHONPATH: certain titles then do harm to who computes them."""

import os
import signal
import time

from shared.model import text

KILLS, HANGS, RAISES = "poison that kills", "poison that hangs", "poison that raises"

_harmless = text.words


def _words(title: str | None, description: str | None = None) -> list[str]:
    match title:
        case "poison that kills":
            os.kill(os.getpid(), signal.SIGKILL)
        case "poison that hangs":
            while True:
                time.sleep(1)
        case "poison that raises":
            raise MemoryError
    return _harmless(title, description)


text.words = _words
