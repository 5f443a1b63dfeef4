"""Reads a CSV table with a heading, record by record."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from api.http.problems import Problem, malformed
from api.ingest.intake import Listing, RawItem, too_large
from catalog_client.tables import (
    RECORD_LIMIT,
    MalformedTableError,
    RecordTooLongError,
    TableReader,
    picture_of,
)


async def items(
    pieces: AsyncIterator[bytes], limit: int, options: dict[str, Any], listing: Listing
) -> AsyncGenerator[RawItem, None]:
    """Yield each record's cells by column; `image` is a URL or the name of a picture in the same request.

    Raises `Problem`, which names the line, or the first line of a record that spans several.
    """
    heading: list[str] = []

    def begin(names: list[str], line: int) -> None:
        heading.extend(_known(names, line, listing.columns))

    # No encoding is guessed: nobody would see what was found.
    reader, index = TableReader(begin, limit=min(limit, RECORD_LIMIT), guess=False), 0
    try:
        async for piece in pieces:
            for line, cells in reader.feed(piece):
                yield RawItem(index, _fields(heading, cells), "", line)
                index += 1
        for line, cells in reader.feed(b"", final=True):
            yield RawItem(index, _fields(heading, cells), "", line)
            index += 1
    except MalformedTableError as error:
        raise _problem(error) from error
    if not heading:
        raise malformed(f"the table is empty: its first line must name columns out of {', '.join(listing.columns)}")


def _known(names: list[str], line: int, known: tuple[str, ...]) -> list[str]:
    """Return the heading's names in lower case; raises `MalformedTableError` for a column that is not known."""
    columns = [name.lower() for name in names]
    if set(columns) <= set(known) and len(set(columns)) == len(columns):
        return columns
    raise MalformedTableError(
        f"the columns of a CSV table are among {', '.join(known)}, each at most once; this one has "
        f"{', '.join(names)[:200]}",
        line,
    )


def _fields(columns: list[str], cells: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: cell for name, cell in zip(columns, cells, strict=False) if cell}
    if image := fields.get("image"):
        fields["image"] = picture_of(image)
    return fields


def _problem(error: MalformedTableError) -> Problem:
    detail = str(error)
    if isinstance(error, RecordTooLongError):
        return too_large("line-too-long", f"{detail[0].upper()}{detail[1:]}.", line=error.line)
    return malformed(detail, **({} if error.line is None else {"line": error.line}))
