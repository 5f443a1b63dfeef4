"""Bodies of requests that are made while they are sent, and can be sent again."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import Any

from catalog_client._items import Encoder, Source

_CHUNK = 64 * 1024
_IN_MEMORY = 8 * 1024 * 1024
"""What is kept of a one-shot source in memory; the rest is kept in a temporary file."""


class _Kept:
    """What was sent already, to be sent again: a generator can be read only once."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # the body closes it

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def read(self) -> Iterator[bytes]:
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            yield chunk

    def close(self) -> None:
        self._file.close()


class Body:
    """The entries of a source as NDJSON, in chunks; each iteration gives all of them from the start."""

    def __init__(self, source: Source, encoder: Callable[[], Encoder]) -> None:
        self._kept: _Kept | None = None
        if isinstance(source, AsyncIterable):
            raise TypeError("an asynchronous iterable needs an AsyncCatalog")
        self._chunks: Callable[[], Iterator[bytes]]
        if callable(source):
            self._chunks = lambda: _chunks(source(), encoder())
        elif iter(source) is not source:
            self._chunks = lambda: _chunks(source, encoder())
        else:
            self._kept, rest = _Kept(), _chunks(source, encoder())
            self._chunks = lambda: rest

    def __iter__(self) -> Iterator[bytes]:
        if self._kept is None:
            yield from self._chunks()
            return
        yield from self._kept.read()
        for chunk in self._chunks():
            self._kept.write(chunk)
            yield chunk

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()


class AsyncBody:
    """The same for an `AsyncCatalog`: asynchronous sources, and others read in a thread, so that the loop goes on."""

    def __init__(self, source: Source, encoder: Callable[[], Encoder]) -> None:
        self._kept: _Kept | None = None
        self._body: Body | None = None
        self._rest: AsyncIterator[bytes]
        if isinstance(source, AsyncIterable):
            self._kept, self._rest = _Kept(), _async_chunks(source, encoder())
        else:
            self._body = Body(source, encoder)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._body is not None:
            chunks = iter(self._body)
            while (part := await asyncio.to_thread(next, chunks, None)) is not None:
                yield part
            return
        assert self._kept is not None  # noqa: S101  # one of the two
        for kept in self._kept.read():
            yield kept
        async for chunk in self._rest:
            self._kept.write(chunk)
            yield chunk

    def close(self) -> None:
        for part in (self._kept, self._body):
            if part is not None:
                part.close()


def _chunks(entries: Iterable[Any], encoder: Encoder) -> Iterator[bytes]:
    """Lines, some at a time: a chunk each would be a write to the network each."""
    chunk = bytearray()
    for entry in entries:
        chunk += encoder.line(entry)
        if len(chunk) >= _CHUNK:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)


async def _async_chunks(entries: AsyncIterable[Any], encoder: Encoder) -> AsyncIterator[bytes]:
    chunk = bytearray()
    async for entry in entries:
        chunk += encoder.line(entry)
        if len(chunk) >= _CHUNK:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)
