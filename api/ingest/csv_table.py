"""Reads a CSV table with a heading, record by record."""

import csv
import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from api.http.problems import malformed
from api.ingest.intake import BlankLines, Listing, RawItem, too_large
from api.ingest.lines import lines

# For the whole process. Records are bounded anyway, and a cell too long for an item is that item's own error.
csv.field_size_limit(2**31 - 1)

_RECORD_LIMIT = 1024**2
"""Maximum bytes of a record, which holds no picture: several times those of the longest texts."""
_CELL_LIMIT = 1000
"""Maximum cells of a heading."""

_CLOSING = re.compile(r'[^"]*+(?:""[^"]*+)*+"(?!")')


async def items(
    pieces: AsyncIterator[bytes], limit: int, options: dict[str, Any], listing: Listing
) -> AsyncGenerator[RawItem, None]:
    """Yield each record's cells by column; `image` is a URL or the name of a picture in the same request.

    Raises `Problem`, which names the line, or the first line of a record that spans several.
    """
    limit = min(limit, _RECORD_LIMIT)
    index, table = 0, _Table(limit, listing.columns)
    async for number, line in lines(pieces, limit):
        cells = table.cells(number, line)
        if cells is not None:
            yield RawItem(index, _fields(table.columns, cells), "", table.begun)
            index += 1
    table.close()


def _fields(columns: list[str], cells: list[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {name: cell for name, cell in zip(columns, cells, strict=False) if cell}
    if image := fields.get("image"):
        kind = "url" if image.lower().startswith(("http://", "https://")) else "file"
        fields["image"] = {kind: image}
    return fields


class _Table:
    """Assembles records from lines, because a quoted cell may contain newlines."""

    def __init__(self, limit: int, known: tuple[str, ...]) -> None:
        self.columns: list[str] = []
        self.begun = 0
        """The number of the line in which the latest record begins."""
        self._limit = limit
        self._known = known
        self._delimiter = ","
        self._record: list[str] = []
        self._blank = BlankLines()
        self._size = 0
        self._quoted = False

    def cells(self, number: int, line: bytearray) -> list[str] | None:
        """Take a line in; return the cells of the record that ends with it, if one does and it is not the heading."""
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise malformed(
                f"line {number} of the table is not UTF-8 at its byte {error.start + 1}: save the table as UTF-8",
                line=number,
            ) from error
        if not self._record:
            if not text.strip():
                self._blank.skip(number)
                return None
            self.begun, self._size = number, 0
        if not self.columns and number == self.begun:
            self._delimiter = ";" if text.count(";") > text.count(",") else ","
        self._record.append(text)
        self._size += len(line) + 1
        self._quoted = _ends_quoted(text, self._delimiter, self._quoted)
        if self._quoted:
            if self._size > self._limit:
                detail = f"The record that begins in line {self.begun} is over {self._limit:,} bytes: is a quote open?"
                raise too_large("line-too-long", detail, line=self.begun)
            return None
        if not self.columns and sum(line.count(self._delimiter) for line in self._record) >= _CELL_LIMIT:
            raise malformed(f"the heading in line {self.begun} has over {_CELL_LIMIT:,} cells", line=self.begun)
        cells = self._parsed("\n".join(self._record).removesuffix("\r"))
        self._record = []
        if not self.columns:
            self.columns = self._heading(cells)
            return None
        if len(cells) > len(self.columns):
            raise malformed(
                f"line {self.begun} of the table has {len(cells)} cells, but the heading has {len(self.columns)}",
                line=self.begun,
            )
        return cells

    def close(self) -> None:
        """Raise `Problem` if a record is incomplete or there was no heading."""
        if self._quoted:
            raise malformed(f"a quote in the record that begins in line {self.begun} is not closed", line=self.begun)
        if not self.columns:
            raise malformed(f"the table is empty: its first line must name columns out of {', '.join(self._known)}")

    def _parsed(self, record: str) -> list[str]:
        try:
            return next(csv.reader([record], delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            raise malformed(f"line {self.begun} of the table: {error}", line=self.begun) from error

    def _heading(self, cells: list[str]) -> list[str]:
        columns = [cell.strip().lower() for cell in cells]
        if set(columns) <= set(self._known) and len(set(columns)) == len(columns):
            return columns
        heading = ", ".join(cells)[:200]
        raise malformed(
            f"the columns of a CSV table are among {', '.join(self._known)}, each at most once; this one has {heading}",
            line=self.begun,
        )


def _ends_quoted(line: str, delimiter: str, quoted: bool) -> bool:
    """Whether the line ends inside quotes. Only a cell that begins with a quote is quoted, so not `12" screen`."""
    at = 0
    while True:
        if quoted:
            closing = _CLOSING.match(line, at)
            if closing is None:
                return True
            at = closing.end()
        elif line.startswith('"'):
            at, quoted = 1, True
            continue
        opening = line.find(f'{delimiter}"', at)
        if opening < 0:
            return False
        at, quoted = opening + 2, True
