"""Reads NDJSON: an item per line."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from api.http.json_text import load
from api.ingest.intake import BlankLines, Listing, RawItem
from api.ingest.lines import lines


async def items(
    pieces: AsyncIterator[bytes], limit: int, options: dict[str, Any], listing: Listing
) -> AsyncGenerator[RawItem, None]:
    """Yield an item per line; blank lines are skipped, but counted. Raises `Problem`, which names the line."""
    index, blank = 0, BlankLines()
    async for number, line in lines(pieces, limit):
        if not line or line.isspace():
            blank.skip(number)
        else:
            yield RawItem(index, load(line, f"line {number}", line=number), "", number)
            index += 1
