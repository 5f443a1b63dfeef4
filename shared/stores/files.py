"""Files of a store on any file system that fsspec supports; a store that cannot be reached is an `OSError`, and soon.

The libraries below raise whatever they like (botocore's and aiohttp's errors are no `OSError`), and try for minutes.
"""

import contextlib
import io
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import fsspec
from fsspec.asyn import sync

_PATIENCE_S = 20.0
"""Seconds for one operation on an object store; a picture has at most 20 MiB."""
_LISTING_S = 600.0
_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"})
"""Where a file is written whole or not at all, and where the parts of a bucket's names are no folders."""
_S3 = {"connect_timeout": 3, "read_timeout": 10, "retries": {"max_attempts": 1}, "max_pool_connections": 100}
"""Limits for botocore, whose default is five attempts of up to a minute, over ten connections: with more threads than
that (the API has 80), some would wait until their patience is over. The stores of other protocols allow 100, too."""


class StoreUnavailableError(OSError):
    """The store cannot be reached, or does not serve us: to be tried again, because nothing is known of the file."""


class Files:
    """The files below a URL, by their paths.

    Raises in each method, beside what it names:
        OSError: The store is unavailable (`StoreUnavailableError`), or full.
    """

    def __init__(self, url: str) -> None:
        protocol = url.partition("://")[0] if "://" in url else "file"
        options = {} if protocol not in ("s3", "s3a") or fsspec.config.conf.get("s3") else {"config_kwargs": _S3}
        self._files: Any
        self._files, root = fsspec.core.url_to_fs(url, **options)
        self.root = str(root.rstrip("/"))
        self._name = f"the store {protocol}://{self.root.partition('/')[0]}" if protocol != "file" else self.root
        self._is_object_store = protocol in _OBJECT_STORES

    def read(self, path: str) -> bytes:
        """Return the file's bytes; raises `FileNotFoundError`."""
        try:
            data: bytes = self._asked("cat_file", path)
        except FileNotFoundError:
            self._check_exists()
            raise
        return data

    def write(self, path: str, data: bytes) -> None:
        """Write a file that is never visible half written, and is on disk when this returns."""
        if self._is_object_store:
            self._asked("pipe_file", path, data)
            return
        unfinished = f"{path}.{secrets.token_hex(4)}"
        with self._telling():
            try:
                self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
                with self._files.open(unfinished, "wb") as file:
                    file.write(data)
                    _to_disk(file)
                self._files.mv(unfinished, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    self._files.rm_file(unfinished)
                raise

    def written(self, path: str) -> datetime:
        """Return when the file was written; raises `FileNotFoundError`."""
        return _written(self._asked("info", path))

    def remove(self, path: str) -> None:
        """Raises `FileNotFoundError`."""
        self._asked("rm_file", path)

    def below(self, folder: str) -> Iterator[tuple[str, datetime]]:
        """Yield the path of each file below the folder, at any depth, and when it was written."""
        for path, info in self._found("find", folder).items():
            yield path, _written(info)

    def names(self, folder: str) -> list[str]:
        """Return the names of what is in the folder."""
        return [info["name"].rsplit("/", 1)[-1] for info in self._found("ls", folder)]

    def _found(self, how: str, folder: str) -> Any:
        """Return what lies in a folder; empty if there is no such folder in the store yet."""
        self._files.invalidate_cache()
        try:
            return self._asked(how, folder, detail=True, patience_s=_LISTING_S)
        except FileNotFoundError:
            if self._is_object_store:
                self._check_exists()
            return {}

    def _check_exists(self) -> None:
        """Raise `StoreUnavailableError` if it is not a file that is missing, but the bucket, or the disk it lay on."""
        place = self.root.partition("/")[0] if self._is_object_store else self.root
        if not self._asked("exists", place):
            raise StoreUnavailableError(f"{self._name} cannot be reached: it does not exist")

    def _asked(self, operation: str, *arguments: Any, patience_s: float = _PATIENCE_S, **options: Any) -> Any:
        with self._telling():
            if not self._files.async_impl:
                return getattr(self._files, operation)(*arguments, **options)
            coroutine = getattr(self._files, f"_{operation}")
            return sync(self._files.loop, coroutine, *arguments, timeout=patience_s, **options)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Raise `OSError` for whatever the file system raises."""
        try:
            yield
        except TimeoutError as error:  # without a message
            raise StoreUnavailableError(f"{self._name} cannot be reached: it did not answer in time") from error
        except OSError:
            raise
        except Exception as error:
            raise StoreUnavailableError(f"{self._name} cannot be reached: {error}") from error


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
