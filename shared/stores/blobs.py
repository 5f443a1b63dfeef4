"""Pictures, kept under the sha256 of their bytes, on any file system that fsspec knows."""

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
"""A picture that is older is written again when it is put again: so it is never old when a new job refers to it."""


_NAME = re.compile(r"[0-9a-f]{64}(\.[0-9a-f]{8})?")
"""A sha256; with a suffix while it is being written."""


class BlobNotFoundError(LookupError):
    """No picture under this hash."""


class Blobs:
    def __init__(self, url: str) -> None:
        self._files: Any
        self._files, root = fsspec.core.url_to_fs(url)
        self._root = root.rstrip("/")

    def put(self, data: bytes) -> str:
        """Keep the bytes; returns their sha256. They are never seen half written, and on disk when this returns.

        Raises:
            OSError: they cannot be kept: the disk is full, the store is away.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._path(sha256)
        if self._is_fresh(path):
            return sha256
        write_whole(self._files, path, data)
        return sha256

    def get(self, sha256: str) -> bytes:
        """Raises `BlobNotFoundError`; `OSError` where the store is away."""
        try:
            data: bytes = self._files.cat_file(self._path(sha256))
        except FileNotFoundError:
            raise BlobNotFoundError(sha256) from None
        return data

    def older_than(self, moment: datetime) -> Iterator[str]:
        """Names of blobs that were written before, half-written ones that were left behind too; nothing else's."""
        try:
            found = self._files.find(self._root, detail=True)
        except FileNotFoundError:
            return
        for path, info in found.items():
            name = path.rsplit("/", 1)[1]
            if _NAME.fullmatch(name) and _written(info) < moment:
                yield name

    def remove(self, name: str, older_than: datetime) -> bool:
        """Whether it was removed: one that was written again meanwhile stays."""
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
        """Raises `BlobNotFoundError` for a name that no blob can have: it could be a path to somewhere else."""
        if not _NAME.fullmatch(name):
            raise BlobNotFoundError(name)
        return f"{self._root}/{name[:2]}/{name}"


def write_whole(files: Any, path: str, data: bytes) -> None:
    """A file that is never seen half written, and is on disk when this returns; raises `OSError`."""
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
    """A local file survives a power cut from here on; object stores have their own promise."""
    file.flush()
    try:
        descriptor = file.fileno()
    except (AttributeError, io.UnsupportedOperation):
        return
    os.fsync(descriptor)


def _written(info: dict[str, Any]) -> datetime:
    """When, in the words of the file system: local files, S3, memory."""
    when = info.get("mtime") or info.get("LastModified") or info.get("created") or datetime.now(UTC)
    if isinstance(when, int | float):
        return datetime.fromtimestamp(when, UTC)
    return when if when.tzinfo else when.replace(tzinfo=UTC)
