"""Reads `{"items": […], …}` or a bare list, item by item while its bytes arrive.

Only the structure around the items is followed here. Each item's text is parsed by itself, like a line of NDJSON: the
streaming parser yajl scans a long string again with each piece, and turns half a surrogate pair into a question mark.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from itertools import count
from typing import Any

from api.http.body import without_bom
from api.http.json_text import MAX_DEPTH, load, too_deep
from api.http.problems import Problem, malformed
from api.ingest.intake import OPTION_LIMIT, Listing, RawItem, too_large

_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_MARK = re.compile(rb'"' + _IN_STRING.pattern + rb'"|["\[\]{},:]', re.DOTALL)
_NESTED_MARK = re.compile(rb'"' + _IN_STRING.pattern + rb'"|["\[\]{}]', re.DOTALL)
"""A complete string, the beginning of one that goes on in the next piece, or a structural character."""
_SOLID = re.compile(rb"[^ \t\n\r]")
_QUOTE = ord('"')


async def items(
    pieces: AsyncIterator[bytes], limit: int, options: dict[str, Any], listing: Listing
) -> AsyncGenerator[RawItem, None]:
    """Yield the listed items; other members become options. Raises `Problem`, which names the item or the byte."""
    reader = _Reader(pieces)
    opening = await reader.solid()
    if opening == b"[":
        async for item in _listed(reader, limit, listing):
            yield item
    elif opening == b"{":
        async for item in _members(reader, limit, options, listing):
            yield item
    else:
        raise malformed(f'the body must be JSON: an object with the member "{listing.member}", or a list of them')
    if await reader.solid():
        raise reader.misplaced("something after the end of the document")


async def _members(reader: "_Reader", limit: int, options: dict[str, Any], listing: Listing) -> AsyncIterator[RawItem]:
    names: set[str] = set()
    stop = b","
    while stop == b",":
        text, stop = await reader.text("the name of a member", OPTION_LIMIT)
        if stop == b"}" and not names and not _SOLID.search(text):
            break
        name = load(text, "the name of a member")
        if not isinstance(name, str) or stop != b":":
            raise reader.misplaced('no "name": value')
        if name in names:
            raise malformed(f"the member {name[:100]!r} occurs twice")
        names.add(name)
        if name == listing.member:
            if await reader.solid() != b"[":
                raise malformed(f'the member "{listing.member}" must be a list')
            async for item in _listed(reader, limit, listing):
                yield item
            stop = await reader.solid()
        elif name in listing.options:
            text, stop = await reader.text(f"the member {name!r}", OPTION_LIMIT)
            options[name] = load(text, f"the member {name!r}")
            if isinstance(options[name], dict | list) and name not in listing.objects:
                raise malformed(f"the member {name!r} must be a single value")
        else:
            others = ", ".join(listing.options)
            raise malformed(f"unknown member {name[:100]!r}: the known ones are {listing.member}, {others}")
    if stop != b"}":
        raise reader.misplaced("no comma and no end of the object")
    if listing.member not in names:
        raise malformed(f'the body has no member "{listing.member}"')


async def _listed(reader: "_Reader", limit: int, listing: Listing) -> AsyncIterator[RawItem]:
    """Yield the items of a list whose opening bracket has been read."""
    for index in count():
        text, stop = await reader.text(f"item {index}", limit)
        if stop == b"]" and not index and not _SOLID.search(text):
            return
        pointer = f"/{listing.member}/{index}"
        fields = load(text, f"item {index}", pointer=pointer)
        if stop not in (b",", b"]"):
            raise reader.misplaced("no comma and no end of the list")
        yield RawItem(index, fields, pointer)
        if stop == b"]":
            return


class _Reader:
    """The document's text, read piece by piece."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = without_bom(pieces)
        self._piece = b""
        self._at = 0
        self._before = 0
        """Bytes before the current piece."""

    async def solid(self) -> bytes:
        """The next byte that is not white space; empty at the end."""
        while not (match := _SOLID.search(self._piece, self._at)):
            if not await self._next():
                return b""
        self._at = match.end()
        return match[0]

    async def text(self, what: str, limit: int) -> tuple[bytearray, bytes]:
        """A value's text, and the comma, colon or bracket that ends it; raises `Problem`, which names it as `what`.

        Args:
            limit: Maximum bytes.
        """
        text = bytearray()
        depth, quoted, escaped = 0, False, False
        while True:
            piece, begin = self._piece, self._at
            at = begin + escaped
            while True:
                if quoted:
                    at = _IN_STRING.match(piece, at).end()  # type: ignore[union-attr]  # it matches the empty string, too
                    if at >= len(piece) or piece[at] != _QUOTE:
                        escaped = at < len(piece)
                        break
                    at, quoted, escaped = at + 1, False, False
                mark = (_NESTED_MARK if depth else _MARK).search(piece, at)
                if mark is None:
                    break
                at, character = mark.end(), mark[0]
                if character == b'"':
                    quoted = True
                elif character in (b"[", b"{"):
                    depth += 1
                    if depth > MAX_DEPTH:
                        raise too_deep(what)
                elif depth and character in (b"]", b"}"):
                    depth -= 1
                elif character in (b",", b":", b"]", b"}"):
                    self._at = at
                    text += piece[begin : at - 1]
                    _check(text, what, limit)
                    return text, character
            text += piece[begin:]
            _check(text, what, limit)
            if not await self._next():
                raise malformed(f"the body ends in {what}: the JSON is not complete")

    def misplaced(self, what: str) -> Problem:
        return malformed(f"the body is not JSON: there is {what} at byte {self._before + self._at:,}")

    async def _next(self) -> bool:
        """Go on to the next piece; return whether there is one."""
        self._before, self._at = self._before + len(self._piece), 0
        self._piece = await anext(self._pieces, b"")
        return bool(self._piece)


def _check(text: bytearray, what: str, limit: int) -> None:
    if len(text) > limit:
        raise too_large("item-too-long", f"{what[0].upper()}{what[1:]} is over {limit:,} bytes.")
