"""Pictures, stored under the sha256 of their bytes on any file system that fsspec supports."""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from shared.stores.files import Files

_FRESH = timedelta(hours=1)
"""An older picture is written again when it is put again, so that it is never old while a new job refers to it."""


_NAME = re.compile(r"[0-9a-f]{64}(\.[0-9a-f]{8})?")
"""A sha256; with a suffix while it is being written."""


class BlobNotFoundError(LookupError):
    """There is no picture with this hash."""


class Blobs:
    def __init__(self, url: str) -> None:
        self._files = Files(url)

    def put(self, data: bytes) -> str:
        """Store the bytes and return their sha256. They are never visible half written, and on disk when this returns.

        Raises:
            OSError: They cannot be stored: the disk is full, or the store is away.
        """
        sha256 = blob_name(data)
        path = self._path(sha256)
        if self._is_fresh(path):
            return sha256
        self._files.write(path, data)
        return sha256

    def get(self, sha256: str) -> bytes:
        """Return the bytes; raises `BlobNotFoundError`, or `OSError` if the store is away."""
        try:
            return self._files.read(self._path(sha256))
        except FileNotFoundError:
            raise BlobNotFoundError(sha256) from None

    def older_than(self, moment: datetime) -> Iterator[str]:
        """Yield the names of blobs written before this moment, including abandoned half-written ones.

        Raises:
            OSError: The store cannot be reached.
        """
        for path, written in self._files.below(self._files.root):
            name = path.rsplit("/", 1)[1]
            if _NAME.fullmatch(name) and written < moment:
                yield name

    def remove(self, name: str, older_than: datetime) -> bool:
        """Remove the blob unless it was written again meanwhile; return whether it was removed."""
        path = self._path(name)
        try:
            if self._files.written(path) >= older_than:
                return False
            self._files.remove(path)
        except FileNotFoundError:
            return False
        return True

    def _is_fresh(self, path: str) -> bool:
        try:
            return self._files.written(path) > datetime.now(UTC) - _FRESH
        except FileNotFoundError:
            return False

    def _path(self, name: str) -> str:
        """Return the blob's path; raises `BlobNotFoundError` for a name that could lead elsewhere."""
        if not _NAME.fullmatch(name):
            raise BlobNotFoundError(name)
        return f"{self._files.root}/{name[:2]}/{name}"


def blob_name(data: bytes) -> str:
    """The name under which the store has these bytes: their sha256."""
    return hashlib.sha256(data).hexdigest()
