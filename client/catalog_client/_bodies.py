"""Bodies of requests that are made while they are sent, and can be sent again."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import Any

from catalog_client._items import Encoder, Reading, Source

_CHUNK = 64 * 1024
_IN_MEMORY = 8 * 1024 * 1024
"""Bytes of a recording that stay in memory; a longer one goes to a temporary file."""


class _Recording:
    """The chunks that were sent already, to be sent again: a generator can be read only once."""

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
    """The entries of a source as chunks of NDJSON; each iteration starts with the first entry."""

    def __init__(self, source: Source, encoder: Callable[[], Encoder]) -> None:
        self._recording: _Recording | None = None
        self._table = source if isinstance(source, Reading) else None
        if isinstance(source, AsyncIterable):
            raise TypeError("an asynchronous iterable needs an AsyncCatalog")
        self._chunks: Callable[[], Iterator[bytes]]
        if callable(source):
            self._chunks = lambda: _chunks(source(), encoder())
        elif iter(source) is not source:
            self._chunks = lambda: _chunks(source, encoder())
        else:
            self._recording, rest = _Recording(), _chunks(source, encoder())
            self._chunks = lambda: rest

    def __iter__(self) -> Iterator[bytes]:
        if self._recording is None:
            yield from self._chunks()
            return
        yield from self._recording.read()
        for chunk in self._chunks():
            self._recording.write(chunk)
            yield chunk

    def close(self) -> None:
        for part in (self._recording, self._table):
            if part is not None:
                part.close()


class AsyncBody:
    """The body of an `AsyncCatalog`'s request; sources that are not asynchronous are read in a thread."""

    def __init__(self, source: Source, encoder: Callable[[], Encoder]) -> None:
        self._recording: _Recording | None = None
        self._body: Body | None = None
        self._rest: AsyncIterator[bytes]
        if isinstance(source, AsyncIterable):
            self._recording, self._rest = _Recording(), _async_chunks(source, encoder())
        else:
            self._body = Body(source, encoder)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._body is not None:
            chunks = iter(self._body)
            while (part := await asyncio.to_thread(next, chunks, None)) is not None:
                yield part
            return
        assert self._recording is not None  # noqa: S101  # it is set where there is no body
        for chunk in self._recording.read():
            yield chunk
        async for chunk in self._rest:
            self._recording.write(chunk)
            yield chunk

    def close(self) -> None:
        for part in (self._recording, self._body):
            if part is not None:
                part.close()


def _chunks(entries: Iterable[Any], encoder: Encoder) -> Iterator[bytes]:
    """Yield the entries' lines, many in a chunk: each chunk is a write to the network."""
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
