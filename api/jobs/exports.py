"""Large files of results: each is written once, by few threads, and handed to all who ask for it.

Sixty requests for the same 100,000 results would otherwise take the threads and the processor that every other request
needs as well.
"""

import asyncio
import os
import tempfile
import time
import weakref
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated

from api.dependencies import service
from api.http.problems import Problem

_WRITERS = 2
_WAITING = 8
"""Files that may wait for a writer; more are refused."""
_KEPT_S = 600
_KEPT_BYTES = 512 * 1024**2
_KEPT_FILES = 64
"""Each takes a descriptor."""
_PART = 256 * 1024
_RETRY_AFTER_S = "5"


class ExportFile:
    """A complete file without a name: the system removes it when nobody reads it any more, or the process is gone."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        """Write it; raises `OSError` if the disk is full."""
        with tempfile.TemporaryFile(buffering=0) as file:
            self.size = sum(_written(file.fileno(), part) for part in parts)
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)

    def parts(self) -> Iterator[bytes]:
        """The content; any number of readers may read at the same time."""
        at = 0
        while part := os.pread(self._descriptor, _PART, at):
            yield part
            at += len(part)


@dataclass
class _Export:
    file: Future[ExportFile]
    asked_at: float = field(default_factory=time.monotonic)


class Exports:
    """Used by one event loop alone, so its records need no lock."""

    def __init__(self) -> None:
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="export")
        self._exports: dict[Hashable, _Export] = {}
        """The one that was asked for least recently comes first."""

    async def file(self, key: Hashable, parts: Callable[[], Iterable[bytes]]) -> ExportFile:
        """The file with this key, which is written unless it is there or being written.

        Raises:
            Problem: too many others wait to be written.
            Exception: what `parts` raises, and `OSError` if the disk is full.
        """
        self._forget()
        export = self._exports.pop(key, None) or _Export(self._begin(parts))
        export.asked_at = time.monotonic()
        self._exports[key] = export
        try:
            # Shielded, because others may wait for the same file.
            return await asyncio.shield(asyncio.wrap_future(export.file))
        except Exception:
            if self._exports.get(key) is export:
                del self._exports[key]
            raise

    def close(self) -> None:
        self._writers.shutdown(cancel_futures=True)

    def _begin(self, parts: Callable[[], Iterable[bytes]]) -> Future[ExportFile]:
        if sum(not export.file.done() for export in self._exports.values()) >= _WRITERS + _WAITING:
            detail = "Too many files of results are being written: send the request again in a few seconds."
            headers = {"Retry-After": _RETRY_AFTER_S}
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "exports-busy", detail, headers=headers)
        return self._writers.submit(lambda: ExportFile(parts()))

    def _forget(self) -> None:
        """Drop the files that nobody has asked for in a while, and the oldest beyond the limits."""
        size, count, oldest = 0, 0, time.monotonic() - _KEPT_S
        for key, export in reversed(list(self._exports.items())):
            if not export.file.done():
                continue
            failed = export.file.cancelled() or export.file.exception() is not None
            size, count = size + (0 if failed else export.file.result().size), count + 1
            if failed or export.asked_at < oldest or size > _KEPT_BYTES or count > _KEPT_FILES:
                del self._exports[key]


ExportsDep = Annotated[Exports, service(lambda _: Exports(), Exports.close)]


def _written(descriptor: int, part: bytes) -> int:
    at = 0
    while at < len(part):
        at += os.write(descriptor, part[at:])
    return at
