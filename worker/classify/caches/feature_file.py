"""The SQLite file of cached features: opens, reads and writes it, and replaces it if it is damaged."""

import fcntl
import logging
import sqlite3
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from struct import Struct

log = logging.getLogger(__name__)

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS features (
        id INTEGER PRIMARY KEY, -- in the order of insertion, without gaps
        key BLOB NOT NULL UNIQUE,
        features BLOB NOT NULL
    )
"""
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}  # the last: another table of this name
_READ_S, _WRITE_S = 0.05, 10.0
"""How long to wait for another process's lock."""
_CHECKSUM = Struct("<I")


class DamagedError(RuntimeError):
    """The file is not a feature file, or not as it was written; the message is human-readable."""


class FeatureFile:
    """A file read by any thread and written by one, in WAL mode: readers never wait, and `kill -9` does no harm.

    Raises, as all its methods do:
        DamagedError: the file must be replaced.
        sqlite3.Error, OSError: the file cannot be used now.
    """

    def __init__(self, path: Path) -> None:
        self.number = int(path.stem)
        self._reading = threading.Lock()
        with _damage_as_error():
            self._writer = _connect(path, _WRITE_S)
            try:
                self._writer.execute("PRAGMA journal_mode = WAL")
                self._writer.execute("PRAGMA synchronous = NORMAL")
                self._writer.execute(_SCHEMA)
                self._reader = _connect(path, _READ_S)
            except BaseException:
                self._writer.close()
                raise

    def read(self, key: bytes) -> bytes | None:
        with self._reading, _damage_as_error():
            row = self._reader.execute("SELECT features FROM features WHERE key = ?", (key,)).fetchone()
        return None if row is None else _checked(key, row[0])

    def write(self, rows: Sequence[tuple[bytes, bytes]], limit: int) -> None:
        """Add rows and keep only the latest `limit`, in one transaction; known keys are not changed."""
        checked = [(key, _checksum(key, features) + features) for key, features in rows]
        with _damage_as_error(), self._writer as transaction:
            transaction.execute("BEGIN IMMEDIATE")
            transaction.executemany("INSERT OR IGNORE INTO features (key, features) VALUES (?, ?)", checked)
            transaction.execute("DELETE FROM features WHERE id <= (SELECT max(id) FROM features) - ?", (limit,))

    def close(self) -> None:
        with self._reading:
            self._reader.close()
        self._writer.close()


def open_newest(folder: Path, least: int = 0) -> FeatureFile:
    """Open the newest file in the folder; if it is damaged or its number is below `least`, begin a new one.

    The new file has another name, because SQLite does not allow replacing a file that others have open: they may use
    the old one until they find it damaged, too.

    Raises:
        sqlite3.Error, OSError, DamagedError: no file can be opened or created.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        numbers = [int(path.stem) for path in folder.glob("*.sqlite") if path.stem.isdecimal()]
        newest = max([least, *numbers])
        try:
            file = FeatureFile(_path(folder, newest))
        except DamagedError as error:
            log.warning("%s is damaged and discarded: %s", _path(folder, newest), error)
            file = FeatureFile(_path(folder, newest + 1))
        for number in numbers:
            if number < file.number:
                _remove(_path(folder, number))
    return file


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number}.sqlite"


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _connect(path: Path, timeout_s: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=timeout_s, isolation_level=None, check_same_thread=False)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time run the block; a killed process loses the lock."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _damage_as_error() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)  # only errors from SQLite itself have one
        if code & 0xFF in _DAMAGE or code == sqlite3.SQLITE_IOERR_SHORT_READ:
            raise DamagedError(str(error)) from error
        raise


def _checksum(key: bytes, features: bytes) -> bytes:
    return _CHECKSUM.pack(zlib.crc32(features, zlib.crc32(key)))


def _checked(key: bytes, stored: bytes) -> bytes:
    features = stored[_CHECKSUM.size :]
    if stored[: _CHECKSUM.size] != _checksum(key, features):
        raise DamagedError("a checksum is wrong")
    return features
