"""Pictures, kept under the sha256 of their bytes, on any file system that fsspec knows."""

import hashlib
import secrets
from typing import Any

import fsspec


class BlobNotFoundError(LookupError):
    """No picture under this hash."""


class Blobs:
    def __init__(self, url: str) -> None:
        self._files: Any
        self._files, root = fsspec.core.url_to_fs(url)
        self._root = root.rstrip("/")

    def put(self, data: bytes) -> str:
        """Keep the bytes; returns their sha256. The same bytes are written once, and never seen half written."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._path(sha256)
        if not self._files.exists(path):
            unfinished = f"{path}.{secrets.token_hex(4)}"
            self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            self._files.pipe_file(unfinished, data)
            self._files.mv(unfinished, path)
        return sha256

    def get(self, sha256: str) -> bytes:
        """Raises `BlobNotFoundError`."""
        try:
            data: bytes = self._files.cat_file(self._path(sha256))
        except FileNotFoundError:
            raise BlobNotFoundError(sha256) from None
        return data

    def _path(self, sha256: str) -> str:
        return f"{self._root}/{sha256[:2]}/{sha256}"
