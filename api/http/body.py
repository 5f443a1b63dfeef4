"""The request's bytes, checked against the limit while they are read."""

from collections.abc import AsyncIterator
from http import HTTPStatus

from fastapi import Request

from api.http.problems import Problem
from api.http.reading_loop import from_server

JSON, NDJSON, CSV, MULTIPART = "application/json", "application/x-ndjson", "text/csv", "multipart/form-data"

_PIECE = 64 * 1024
_BOM = b"\xef\xbb\xbf"


class Body:
    """A body that is read once, piece by piece."""

    def __init__(self, request: Request, limit: int) -> None:
        """Raise `Problem` if the body announces that it is over the limit."""
        self.media_type = media_type(request)
        self.content_type = request.headers.get("content-type", "")
        self._request = request
        self._limit = limit
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and (len(announced) > 18 or int(announced) > limit):
            raise self._too_large()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield pieces of 1 byte to 64 KiB; raises `Problem` when the body exceeds the limit."""
        size = 0
        async for part in from_server(self._request.stream()):
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
        detail = f"The body is larger than {self._limit:,} bytes: split it over several requests."
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
