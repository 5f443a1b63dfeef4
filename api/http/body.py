"""The request's bytes, unpacked and checked against the limit while they are read."""

from collections.abc import AsyncIterator
from http import HTTPStatus

from fastapi import Request

from api.http.charsets import charset_of, in_utf_8
from api.http.codings import decompressed, is_gzip
from api.http.problems import Problem
from api.http.reading_loop import from_server, in_turns

JSON, NDJSON, CSV, MULTIPART = "application/json", "application/x-ndjson", "text/csv", "multipart/form-data"

_PIECE = 64 * 1024
_BOM = b"\xef\xbb\xbf"


class Body:
    """A body that is read once, piece by piece."""

    def __init__(self, request: Request, limit: int) -> None:
        """Raise `Problem` if the body is announced to be over the limit, or in an unknown coding or charset."""
        self.media_type = media_type(request)
        self.content_type = request.headers.get("content-type", "")
        self._gzip = is_gzip(request.headers.getlist("content-encoding"))
        self._charset = None if self.media_type == MULTIPART else charset_of(self.content_type)
        self._request = request
        self._limit = limit
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and (len(announced) > 18 or int(announced) > limit):
            raise self._too_large()

    def pieces(self) -> AsyncIterator[bytes]:
        """Yield pieces of at least a byte and some 64 KiB: decompressed, and a text in UTF-8.

        Raises:
            Problem: the body exceeds the limit, compressed or not, or is not in the coding or charset that it names.
        """
        content = self._within_limit(from_server(self._request.stream()))
        if self._gzip:
            content = self._within_limit(in_turns(decompressed(content)))
        return content if self._charset is None else in_utf_8(content, self._charset)

    async def _within_limit(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        size = 0
        async for part in parts:
            size += len(part)
            if size > self._limit:
                raise self._too_large()
            if len(part) <= _PIECE:
                if part:
                    yield part
            else:
                for start in range(0, len(part), _PIECE):
                    yield part[start : start + _PIECE]

    async def whole(self) -> bytearray:
        body = bytearray()
        async for piece in self.pieces():
            body += piece
        return body

    def _too_large(self) -> Problem:
        unpacked = ", decompressed" if self._gzip else ""
        detail = f"The body is larger than {self._limit:,} bytes{unpacked}: split it over several requests."
        return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body-too-large", detail)


def media_type(request: Request) -> str:
    return request.headers.get("content-type", JSON).partition(";")[0].strip().lower()


async def without_bom(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Drop the byte order mark that spreadsheets and some editors put before UTF-8."""
    head: bytes | None = b""
    async for piece in pieces:
        if head is None:
            yield piece
        elif len(head + piece) < len(_BOM):
            head += piece
        else:
            yield (head + piece).removeprefix(_BOM)
            head = None
    if head:
        yield head
