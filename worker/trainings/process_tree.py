"""Runs a command so that all its descendants end with it, on demand, or when this process ends.

The command runs below a guard, which is this file run as a program. The guard adopts orphaned descendants (Linux:
`PR_SET_CHILD_SUBREAPER`), so daemons stay below it, and the kernel signals it when this process ends for any reason. If
the guard itself is killed, the descendants are found by a mark in their environment.
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
"""The environment variable that names the training and the attempt that a process belongs to."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_GRACE_S = 5.0
_LONGEST_S = 10.0
_PAUSE_S = 0.02


class ProcessTree:
    """A running command. Use it from one thread, which must live as long as the command.

    Args:
        mark: The id of the training, a blank, and the number of the attempt.
        log: The file to append the command's output to.
    """

    def __init__(self, command: Sequence[str], mark: str, cwd: Path, env: Mapping[str, str], log: Path) -> None:
        # Isolated, so that no module of this project or of the working directory shadows one of Python's.
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
        """Return the command's exit status once all its descendants have ended, else `None`."""
        return self._guard.poll()

    def end(self) -> None:
        """End the command and its descendants; returns when none is left."""
        self._guard.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._guard.wait(_GRACE_S)
        end_marked(self._training)
        self._guard.wait()


def end_marked(training: str) -> int:
    """End every process on this machine that belongs to the training, from any attempt; returns how many."""
    ended = set[int]()
    until = time.monotonic() + _LONGEST_S
    while (processes := _marked(training)) and time.monotonic() < until:
        for process in processes:
            ended.add(process.pid)
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(_PAUSE_S)
    return len(ended)


def _marked(training: str) -> list[psutil.Process]:
    """Return the marked processes and their descendants, which may have dropped the mark."""
    processes: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").partition(" ")[0] == training:
                processes |= {one.pid: one for one in (process, *process.children(recursive=True)) if _lives(one)}
        except (psutil.Error, OSError):  # it has ended, or belongs to another user
            continue
    return list(processes.values())


def _lives(process: psutil.Process) -> bool:
    return bool(process.status() != psutil.STATUS_ZOMBIE)


class _SigtermError(Exception):
    """SIGTERM arrived."""


def _guard(parent: int, command: Sequence[str]) -> int:
    """Run as the guard; returns the command's exit status once no descendant is left."""

    def stop(*_: object) -> None:
        raise _SigtermError

    signal.signal(signal.SIGTERM, stop)
    with contextlib.suppress(AttributeError):  # only Linux has it
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    status = 128 + signal.SIGTERM
    try:
        if os.getppid() == parent:  # otherwise it ended before `PR_SET_PDEATHSIG` was set
            status = _run(command)
    except _SigtermError:
        pass
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_below()
    return status


def _run(command: Sequence[str]) -> int:
    """Wait for the command, and reap adopted processes meanwhile."""
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
