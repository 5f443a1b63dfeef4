"""The SQLite file in which features are kept: opened, read, written, and begun anew where it is damaged."""

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
        id INTEGER PRIMARY KEY, -- in the order of their coming, without gaps
        key BLOB NOT NULL UNIQUE,
        features BLOB NOT NULL
    )
"""
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}  # the last: another table of this name
_READ_S, _WRITE_S = 0.05, 10.0
"""How long a lock of another process is waited for."""
_CHECKSUM = Struct("<I")


class DamagedError(RuntimeError):
    """The file is no SQLite file of ours, or not as it was written; the message is for people."""


class FeatureFile:
    """Read by any thread and written by one, in WAL mode: nobody waits for a writer, and `kill -9` does no harm.

    Raises, as all its methods do:
        DamagedError: begin a new one.
        sqlite3.Error, OSError: it cannot be used now.
    """

    def __init__(self, path: Path) -> None:
        self.number = int(path.stem)
        self._reading = threading.Lock()
        with _damage_told():
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
        with self._reading, _damage_told():
            row = self._reader.execute("SELECT features FROM features WHERE key = ?", (key,)).fetchone()
        return None if row is None else _checked(key, row[0])

    def write(self, rows: Sequence[tuple[bytes, bytes]], limit: int) -> None:
        """Keep them, and of all only the latest `limit`, in one transaction; a key that is known stays as it is."""
        checked = [(key, _checksum(key, features) + features) for key, features in rows]
        with _damage_told(), self._writer as transaction:
            transaction.execute("BEGIN IMMEDIATE")
            transaction.executemany("INSERT OR IGNORE INTO features (key, features) VALUES (?, ?)", checked)
            transaction.execute("DELETE FROM features WHERE id <= (SELECT max(id) FROM features) - ?", (limit,))

    def close(self) -> None:
        with self._reading:
            self._reader.close()
        self._writer.close()


def open_newest(folder: Path, least: int = 0) -> FeatureFile:
    """The newest file in the folder; one that is damaged, or older than number `least`, is given a successor.

    A successor has a name of its own, because SQLite bears no file that is replaced while others have it open: they
    may go on with the old one until they find it damaged, too.

    Raises:
        sqlite3.Error, OSError, DamagedError: no file can be opened or made.
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
    """One process at a time; the lock of one that is killed goes with it."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)  # SQLite's; Python's own errors have none
        if code & 0xFF in _DAMAGE or code == sqlite3.SQLITE_IOERR_SHORT_READ:
            raise DamagedError(str(error)) from error
        raise


def _checksum(key: bytes, features: bytes) -> bytes:
    return _CHECKSUM.pack(zlib.crc32(features, zlib.crc32(key)))


def _checked(key: bytes, kept: bytes) -> bytes:
    features = kept[_CHECKSUM.size :]
    if kept[: _CHECKSUM.size] != _checksum(key, features):
        raise DamagedError("a checksum is wrong")
    return features
