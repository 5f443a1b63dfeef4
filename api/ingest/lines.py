"""Splits bytes into lines while they arrive."""

from collections.abc import AsyncIterator

from api.http.body import without_bom
from api.ingest.intake import too_large


async def lines(pieces: AsyncIterator[bytes], limit: int) -> AsyncIterator[tuple[int, bytearray]]:
    """Yield line numbers, from 1, and lines without newline; raises `Problem` for a line over the limit."""
    line, number = bytearray(), 1
    async for piece in without_bom(pieces):
        *ends, rest = piece.split(b"\n")
        for end in ends:
            line += end
            _check(line, number, limit)
            yield number, line
            line, number = bytearray(), number + 1
        line += rest
        _check(line, number, limit)
    if line:
        yield number, line


def _check(line: bytearray, number: int, limit: int) -> None:
    if len(line) > limit:
        raise too_large("line-too-long", f"Line {number} is over {limit:,} bytes.", line=number)
