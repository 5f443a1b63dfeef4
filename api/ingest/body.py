"""The request's bytes, checked against the limit and hashed while they are read."""

import hashlib
import json
from collections.abc import AsyncIterator
from http import HTTPStatus

from fastapi import Request

from api.http.problems import Problem

JSON, NDJSON, CSV, MULTIPART = "application/json", "application/x-ndjson", "text/csv", "multipart/form-data"

_PIECE = 64 * 1024
_BOM = b"\xef\xbb\xbf"


class Body:
    """A body that is read once, piece by piece.

    The fingerprint covers the media type, the query parameters in any order, and what is added: the bytes themselves,
    or the contents of a multipart body's parts, because the boundary between them differs at each attempt.
    """

    def __init__(self, request: Request, limit: int) -> None:
        """Raise `Problem` if the body announces that it is over the limit."""
        self.media_type = media_type(request)
        self.content_type = request.headers.get("content-type", "")
        self._request = request
        self._limit = limit
        self._ended = False
        about = json.dumps([self.media_type, sorted(request.query_params.multi_items())])
        self._digest = hashlib.sha256(about.encode())
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and (len(announced) > 18 or int(announced) > limit):
            raise self._too_large()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield pieces of 1 byte to 64 KiB; raises `Problem` when the body exceeds the limit."""
        size = 0
        async for part in self._request.stream():
            size += len(part)
            if size > self._limit:
                raise self._too_large()
            if len(part) <= _PIECE:
                if part:
                    yield part
            else:
                for start in range(0, len(part), _PIECE):
                    yield part[start : start + _PIECE]
        self._ended = True

    async def hashed(self) -> AsyncIterator[bytes]:
        """Yield the pieces and add them to the fingerprint."""
        async for piece in self.pieces():
            self.add(piece)
            yield piece

    async def whole(self) -> bytearray:
        body = bytearray()
        async for piece in self.pieces():
            body += piece
        return body

    def add(self, data: bytes) -> None:
        """Add to the fingerprint."""
        self._digest.update(data)

    def fingerprint(self) -> str:
        """The fingerprint in hex; raises `RuntimeError` before the body has ended."""
        if not self._ended:
            raise RuntimeError("the body has not been read to its end")
        return self._digest.hexdigest()

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
