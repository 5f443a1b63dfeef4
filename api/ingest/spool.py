"""The pictures of a request on local disk, until the request is accepted or refused.

Only then do they go into the blob store, where a picture stays for a day although nothing refers to it: a zip of 2 MB
may unpack to 2 GB.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from threading import Lock
from types import TracebackType
from typing import ClassVar, Self

from fastapi.concurrency import run_in_threadpool

from api.http.problems import Problem
from shared.stores.blobs import blob_name

_IN_MEMORY = 1024**2
_STORED_AT_ONCE = 4
"""Pictures that are in memory while they are stored."""
_LARGEST_AT_ONCE = 2
"""How many requests of the largest size the disk must hold."""
_RETRY_AFTER_S = "30"


class Spool:
    """A file without a name: it is gone once this is closed, or the process is.

    Args:
        limit: Maximum bytes of the pictures of this request.
    """

    _used: ClassVar[int] = 0
    """Bytes of all requests that this process is reading."""
    _counting: ClassVar[Lock] = Lock()

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._places: dict[str, tuple[int, int]] = {}
        self._file = SpooledTemporaryFile[bytes](_IN_MEMORY)
        self._moving = Lock()

    def add(self, data: bytes) -> str:
        """Keep a picture and return the name that it will have in the blob store.

        Raises:
            Problem: the pictures of this request, or of all requests being read, are too large together.
            OSError: the disk is full.
        """
        name = blob_name(data)
        with self._moving:
            if name not in self._places:
                if self._file.closed:
                    raise ValueError("the request has ended")
                self._take(len(data))
                place = self._file.seek(0, 2)
                self._file.write(data)
                self._places[name] = place, len(data)
        return name

    def get(self, name: str) -> bytes:
        place, size = self._places[name]
        with self._moving:
            self._file.seek(place)
            return self._file.read(size)

    async def store(self, names: Iterable[str], put: Callable[[bytes], str]) -> None:
        """Put these pictures into a store; raises the first `OSError`."""
        waiting = iter(names)
        workers = [self._storing(waiting, put) for _ in range(_STORED_AT_ONCE)]
        for failure in await asyncio.gather(*workers, return_exceptions=True):
            if failure is not None:
                raise failure

    def close(self) -> None:
        with self._moving, Spool._counting:
            self._file.close()
            Spool._used -= self._size
            self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _storing(self, waiting: Iterator[str], put: Callable[[bytes], str]) -> None:
        for name in waiting:
            await run_in_threadpool(lambda picture: put(self.get(picture)), name)

    def _take(self, size: int) -> None:
        if self._size + size > self._limit:
            detail = f"The pictures have over {self._limit:,} bytes together: send the rest with another request."
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", detail)
        with Spool._counting:
            if Spool._used + size > _LARGEST_AT_ONCE * self._limit:
                detail = "Other requests with many pictures are being read: send this one again in a while."
                headers = {"Retry-After": _RETRY_AFTER_S}
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "uploads-busy", detail, headers=headers)
            Spool._used += size
        self._size += size
