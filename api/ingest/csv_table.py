"""Reads a CSV table with a heading, record by record."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

from api.http.problems import Problem, malformed
from api.ingest.intake import LONGEST_NAME, MOST_OWN_COLUMNS, Listing, RawItem, too_large
from catalog_client.tables import (
    RECORD_LIMIT,
    MalformedTableError,
    RecordTooLongError,
    TableReader,
    picture_of,
)

_CHALLENGE_TITLE = "designation"
"""The title in the challenge's table, which must not be taken for a column of the caller's own."""


@dataclass(frozen=True)
class _Columns:
    """The places of a table's columns, from 0, by their names."""

    known: dict[str, int]
    own: dict[str, int]

    def item(self, index: int, line: int, cells: list[str]) -> RawItem:
        size = len(cells)
        fields: dict[str, Any] = {
            name: cells[place] for name, place in self.known.items() if place < size and cells[place]
        }
        if image := fields.get("image"):
            fields["image"] = picture_of(image)
        own = {name: cells[place] if place < size else "" for name, place in self.own.items()} if self.own else None
        return RawItem(index, fields, "", line, own)


async def items(
    pieces: AsyncIterator[bytes], limit: int, options: dict[str, Any], listing: Listing
) -> AsyncGenerator[RawItem, None]:
    """Yield each record's cells by column; `image` is a URL or the name of a picture in the same request.

    Further columns are the caller's own if the listing allows them: their cells are not changed. Raises `Problem`,
    which names the line, or the first line of a record that spans several.
    """
    heading: list[_Columns] = []

    def begin(names: list[str], line: int) -> None:
        heading.append(_columns(names, line, listing))

    # No encoding is guessed: nobody would see what was found.
    reader, index = TableReader(begin, limit=min(limit, RECORD_LIMIT), guess=False), 0
    try:
        async for piece in pieces:
            for line, cells in reader.feed(piece):
                yield heading[0].item(index, line, cells)
                index += 1
        for line, cells in reader.feed(b"", final=True):
            yield heading[0].item(index, line, cells)
            index += 1
    except MalformedTableError as error:
        raise _problem(error) from error
    if not heading:
        raise malformed(f"the table is empty: its first line must name columns out of {', '.join(listing.columns)}")


def _columns(names: list[str], line: int, listing: Listing) -> _Columns:
    """Find the columns in a heading; raises `MalformedTableError` for one that cannot be read."""
    lowered = [name.lower() for name in names]
    known = {name: place for place, name in enumerate(lowered) if name in listing.columns}
    own = {name: place for place, name in enumerate(names) if lowered[place] not in listing.columns}
    if len(set(lowered)) < len(lowered) or (own and not _may_have_own(lowered, listing)):
        raise _wrong(names, line, listing)
    if len(own) > MOST_OWN_COLUMNS:
        raise MalformedTableError(f"the table has {len(own):,} columns of your own, over {MOST_OWN_COLUMNS}", line)
    if long := next((name for name in own if len(name) > LONGEST_NAME), None):
        raise MalformedTableError(
            f"the name of the column {long[:50]!r}… has {len(long):,} characters, over {LONGEST_NAME}", line
        )
    return _Columns(known, own)


def _may_have_own(names: list[str], listing: Listing) -> bool:
    """Whether further columns are the caller's own; else one that is needed may be among them under a wrong name."""
    if _CHALLENGE_TITLE in names and "title" not in names:
        return False
    return not set(names).isdisjoint(listing.content)


def _wrong(names: list[str], line: int, listing: Listing) -> MalformedTableError:
    one_of = f", and one of {', '.join(listing.content)} beside columns of your own" if listing.content else ""
    return MalformedTableError(
        f"the columns of a CSV table are among {', '.join(listing.columns)}, each at most once{one_of}; this one has "
        f"{', '.join(names)[:200]}",
        line,
    )


def _problem(error: MalformedTableError) -> Problem:
    detail = str(error)
    if isinstance(error, RecordTooLongError):
        return too_large("line-too-long", f"{detail[0].upper()}{detail[1:]}.", line=error.line)
    return malformed(detail, **({} if error.line is None else {"line": error.line}))
