"""A command and all that it starts, which end together: when it is told to, when the command ends, and with us.

The command runs below a guard, which is this very file as a program. The guard adopts what outlives its parent (Linux:
`PR_SET_CHILD_SUBREAPER`), so that what has made itself a daemon is still below it, and the kernel tells it when
we are gone, however that came about. Should the guard itself be killed, the rest is found by a mark in the environment.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

MARK = "CATALOG_TRAINING"
"""The environment variable that says for which training, and which attempt at it, a process was started."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_GRACE_S = 5.0
_LONGEST_S = 10.0
_PAUSE_S = 0.02


class ProcessTree:
    """A command that has been started. Use one from one thread, which lives as long as it does.

    Args:
        mark: The training, a blank, and the attempt.
        log: Where what it prints is appended.
    """

    def __init__(self, command: Sequence[str], mark: str, cwd: Path, env: Mapping[str, str], log: Path) -> None:
        # Isolated: neither our modules nor those of the folder are to be found in place of Python's.
        guard = [sys.executable, "-I", __file__, str(os.getpid()), *command]
        with log.open("ab") as output:
            self._guard = subprocess.Popen(  # noqa: S603  # ours
                guard,
                cwd=cwd,
                env={**env, MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._training = mark.partition(" ")[0]

    def poll(self) -> int | None:
        """The command's exit status, once all is over."""
        return self._guard.poll()

    def end(self) -> None:
        """End all of it; returns when nothing is left."""
        self._guard.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._guard.wait(_GRACE_S)
        end_marked(self._training)
        self._guard.wait()


def end_marked(training: str) -> int:
    """End every process on this machine that was started for the training, by whatever attempt; returns how many."""
    ended = set[int]()
    until = time.monotonic() + _LONGEST_S
    while (found := _marked(training)) and time.monotonic() < until:
        for process in found:
            ended.add(process.pid)
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(_PAUSE_S)
    return len(ended)


def _marked(training: str) -> list[psutil.Process]:
    """With what is below them, which may have dropped the mark."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").partition(" ")[0] == training:
                found |= {one.pid: one for one in (process, *process.children(recursive=True)) if _lives(one)}
        except (psutil.Error, OSError):  # it is over, or another user's
            continue
    return list(found.values())


def _lives(process: psutil.Process) -> bool:
    return bool(process.status() != psutil.STATUS_ZOMBIE)


class _ToldToStopError(Exception):
    """SIGTERM came."""


def _guard(parent: int, command: Sequence[str]) -> int:
    """The program: the command's exit status, once nothing below is left."""

    def stop(*_: object) -> None:
        raise _ToldToStopError

    signal.signal(signal.SIGTERM, stop)
    with contextlib.suppress(AttributeError):  # other systems have no such thing
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    status = 128 + signal.SIGTERM
    try:
        if os.getppid() == parent:  # else it was gone before we could ask to be told
            status = _run(command)
    except _ToldToStopError:
        pass
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_below()
    return status


def _run(command: Sequence[str]) -> int:
    """Waits for the command, and for what it leaves us meanwhile."""
    started = subprocess.Popen(command)  # noqa: S603  # ours
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == started.pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _end_below() -> None:
    until = time.monotonic() + _LONGEST_S
    while (below := psutil.Process().children(recursive=True)) and time.monotonic() < until:
        for process in below:
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(_PAUSE_S)


if __name__ == "__main__":
    sys.exit(_guard(int(sys.argv[1]), sys.argv[2:]))
