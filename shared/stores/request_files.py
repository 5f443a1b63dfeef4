"""Append-only files of a store: one per accepted request, named by when it arrived, with a line of JSON per fact."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from shared.stores.files import Files

T = TypeVar("T")

_NAME = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-[0-9a-f]{24}\.ndjson")
_DAY = re.compile(r"\d{8}")
_TIME = "%Y%m%dT%H%M%S.%fZ"
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


class DamagedFileError(OSError):
    """A file of the store has a line that cannot be read; the message names both."""


class RequestFiles:
    """The files in a folder of a store.

    Args:
        by_day: Keep the files of each day in a folder of their own: where requests are many, a list of all takes long.
    """

    def __init__(self, files: Files, folder: str, *, by_day: bool = False) -> None:
        self._files = files
        self._folder = f"{files.root}/{folder}"
        self._by_day = by_day

    def append(self, name: str, lines: Iterable[bytes]) -> None:
        """Write a new file, whole or not at all. Raises `OSError`."""
        self._files.write(self._path(name), b"".join(lines))

    def content(self, name: str) -> bytes:
        """Return the file's content; raises `FileNotFoundError`, or another `OSError` if the store is away."""
        return self._files.read(self._path(name))

    def parsed(self, name: str, read: Callable[[bytes, str], T]) -> list[T]:
        """Return what `read` makes of each line of the file and of its name; it may raise what a wrong line does.

        Raises:
            DamagedFileError: A line is not what was written.
            OSError: The store is away, or has no such file.
        """
        found = list[T]()
        for number, line in enumerate(self.content(name).splitlines(), 1):
            try:
                found.append(read(line, name))
            except (ValueError, TypeError, LookupError, AttributeError) as error:
                raise DamagedFileError(
                    f"line {number} of {self._path(name)} is damaged: put the file back from a backup"
                ) from error
        if not found:
            raise DamagedFileError(f"{self._path(name)} is empty: put the file back from a backup")
        return found

    def names(self, since: datetime | None = None) -> list[str]:
        """Return the names of all files in the order of their arrival. Raises `OSError`.

        Args:
            since: Return only those that arrived on this day or later.
        """
        first = "" if since is None else f"{since:%Y%m%d}"
        folders = [self._folder]
        if self._by_day:
            days = (day for day in self._files.names(self._folder) if _DAY.fullmatch(day) and day >= first)
            folders = [f"{self._folder}/{day}" for day in days]
        found = (name for folder in folders for name in self._files.names(folder))
        return sorted(name for name in found if _NAME.fullmatch(name) and name >= first)

    def names_on(self, day: datetime) -> list[str]:
        """Return the names of the files that arrived on this day (UTC); they are kept by day. Raises `OSError`."""
        return sorted(name for name in self._files.names(f"{self._folder}/{day:%Y%m%d}") if _NAME.fullmatch(name))

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name[:8]}/{name}" if self._by_day else f"{self._folder}/{name}"


def file_name(moment: float, identifier: str) -> str:
    """Return the name of a file accepted at this moment by Redis's clock; `identifier` has 24 hex digits."""
    return f"{datetime.fromtimestamp(moment, UTC).strftime(_TIME)}-{identifier}.ndjson"


def arrival(name: str) -> datetime:
    """Return when the file of this name was accepted."""
    return datetime.strptime(name.partition("-")[0], _TIME).replace(tzinfo=UTC)


def microseconds(name: str) -> int:
    """Return the same in microseconds since 1970."""
    return (arrival(name) - _BEGIN) // timedelta(microseconds=1)


def arrival_of(moment: int) -> datetime:
    """Return when that was, in UTC; `moment` as `microseconds` returns it."""
    return _BEGIN + timedelta(microseconds=moment)
