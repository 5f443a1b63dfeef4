"""What an operator sees of a step that takes long."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

_TERMINAL_S, _FILE_S = 0.2, 10.0
"""Seconds between two counts, which replace one another in a terminal, and are lines in a file."""


class ProgressLines:
    def __init__(self) -> None:
        self._stream: TextIO = sys.stderr
        self._terminal = self._stream.isatty()

    @contextmanager
    def of(self, what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show how many are done while the block runs; it calls what it gets with the number of further ones."""
        done, begun, shown = 0, time.monotonic(), 0.0

        def more(count: int) -> None:
            nonlocal done, shown
            done += count
            if time.monotonic() - max(shown, begun) >= (_TERMINAL_S if self._terminal else _FILE_S):
                shown = time.monotonic()
                self._show(f"{what}: {done:,}" + (f" of {total:,}" if total else ""), end="\r")

        yield more
        self._show(f"{what}: {done:,} ({time.monotonic() - begun:.1f} s)")

    def say(self, line: str) -> None:
        self._show(line)

    def _show(self, line: str, end: str = "\n") -> None:
        erase = "\033[K" if self._terminal else ""
        print(f"  {line}{erase}", end=end if self._terminal else "\n", file=self._stream, flush=True)
