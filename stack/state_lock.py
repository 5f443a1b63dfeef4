"""One stack per state folder: a second Redis on the same append-only file would damage it."""

import fcntl
import os
import time
from pathlib import Path

from stack.processes import StartError

_ENDING_S = 15
"""How long to wait for what is left of a stack whose own process has ended."""


class StateLock:
    """Holds the folder until it is closed, and until Redis, which inherits it, has ended.

    So a folder whose stack was killed is not taken while its Redis still writes.

    Raises:
        StartError: A running stack holds the folder; the message names its process and what to do.
    """

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + _ENDING_S
        while not self._taken():
            holder = os.pread(self._file, 20, 0).decode().strip()
            if _runs(holder) or time.monotonic() > deadline:
                os.close(self._file)
                raise StartError(_in_use(folder, holder))
            time.sleep(0.1)
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    @property
    def descriptor(self) -> int:
        """The open file, for the process that is to inherit the lock."""
        return self._file

    def close(self) -> None:
        os.close(self._file)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _runs(pid: str) -> bool:
    """Whether the process exists; one of another user does, too."""
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _in_use(folder: Path, holder: str) -> str:
    if _runs(holder):
        return (
            f"The service already runs in {folder}, as process {holder}: use that one, or stop it with Ctrl-C or "
            f"`kill {holder}`. For a second one beside it, name another folder: `python -m stack.up FOLDER`."
        )
    return (
        f"The service in {folder} has ended (process {holder}), but its Redis still runs and holds {folder}/lock. "
        f"`fuser {folder}/lock` names it: stop it with `kill`, then start again."
    )
