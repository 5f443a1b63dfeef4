"""Holding processes still while others are measured: some servers poll all the time that they wait."""

import os
import signal
from contextlib import suppress
from pathlib import Path


def pause(pid: int) -> None:
    """Stop the process and all its descendants, where they are."""
    _signal_tree(pid, signal.SIGSTOP)


def resume(pid: int) -> None:
    _signal_tree(pid, signal.SIGCONT)


def _signal_tree(pid: int, number: signal.Signals) -> None:
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            children.setdefault(_parent(path.read_text()), []).append(int(path.parent.name))
    waiting = [pid]
    while waiting:
        process = waiting.pop()
        with suppress(ProcessLookupError):
            os.kill(process, number)
        waiting += children.get(process, [])


def _parent(stat: str) -> int:
    """State from /proc/PID/stat; the name before it may contain blanks and brackets."""
    return int(stat.rpartition(")")[2].split()[1])
