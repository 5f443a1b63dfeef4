"""Pictures, stored under the sha256 of their bytes on any file system that fsspec supports."""

import contextlib
import hashlib
import io
import os
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import fsspec

_FRESH = timedelta(hours=1)
"""An older picture is written again when it is put again, so that it is never old while a new job refers to it."""


_NAME = re.compile(r"[0-9a-f]{64}(\.[0-9a-f]{8})?")
"""A sha256; with a suffix while it is being written."""


class BlobNotFoundError(LookupError):
    """There is no picture with this hash."""


class Blobs:
    def __init__(self, url: str) -> None:
        self._files: Any
        self._files, root = fsspec.core.url_to_fs(url)
        self._root = root.rstrip("/")

    def put(self, data: bytes) -> str:
        """Store the bytes and return their sha256. They are never visible half written, and on disk when this returns.

        Raises:
            OSError: They cannot be stored: the disk is full, or the store is away.
        """
        sha256 = blob_name(data)
        path = self._path(sha256)
        if self._is_fresh(path):
            return sha256
        write_whole(self._files, path, data)
        return sha256

    def get(self, sha256: str) -> bytes:
        """Return the bytes; raises `BlobNotFoundError`, or `OSError` if the store is away."""
        try:
            data: bytes = self._files.cat_file(self._path(sha256))
        except FileNotFoundError:
            raise BlobNotFoundError(sha256) from None
        return data

    def older_than(self, moment: datetime) -> Iterator[str]:
        """Yield the names of blobs written before this moment, including abandoned half-written ones."""
        try:
            found = self._files.find(self._root, detail=True)
        except FileNotFoundError:
            return
        for path, info in found.items():
            name = path.rsplit("/", 1)[1]
            if _NAME.fullmatch(name) and _written(info) < moment:
                yield name

    def remove(self, name: str, older_than: datetime) -> bool:
        """Remove the blob unless it was written again meanwhile; return whether it was removed."""
        path = self._path(name)
        try:
            if _written(self._files.info(path)) >= older_than:
                return False
            self._files.rm_file(path)
        except FileNotFoundError:
            return False
        return True

    def _is_fresh(self, path: str) -> bool:
        try:
            return _written(self._files.info(path)) > datetime.now(UTC) - _FRESH
        except FileNotFoundError:
            return False

    def _path(self, name: str) -> str:
        """Return the blob's path; raises `BlobNotFoundError` for a name that could lead elsewhere."""
        if not _NAME.fullmatch(name):
            raise BlobNotFoundError(name)
        return f"{self._root}/{name[:2]}/{name}"


def blob_name(data: bytes) -> str:
    """The name under which the store has these bytes: their sha256."""
    return hashlib.sha256(data).hexdigest()


def write_whole(files: Any, path: str, data: bytes) -> None:
    """Write a file that is never visible half written, and is on disk when this returns; raises `OSError`."""
    unfinished = f"{path}.{secrets.token_hex(4)}"
    try:
        files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        with files.open(unfinished, "wb") as file:
            file.write(data)
            _to_disk(file)
        files.mv(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            files.rm_file(unfinished)
        raise


def _to_disk(file: Any) -> None:
    """Make a local file survive a power cut; object stores have their own guarantees."""
    file.flush()
    try:
        descriptor = file.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return
    os.fsync(descriptor)


def _written(info: dict[str, Any]) -> datetime:
    """Return when it was written; local files, S3 and memory each name this differently."""
    when = info.get("mtime") or info.get("LastModified") or info.get("created") or datetime.now(UTC)
    if isinstance(when, int | float):
        return datetime.fromtimestamp(when, UTC)
    return when if when.tzinfo else when.replace(tzinfo=UTC)
