"""Reads a table with a heading: from bytes to the rows below it."""

from collections.abc import Callable, Iterator

from catalog_client.tables.encodings import Decoder
from catalog_client.tables.errors import MalformedTableError
from catalog_client.tables.records import Record, Records

RECORD_LIMIT = 1024**2
"""Maximum bytes of a record, which holds no picture: several times those of the longest texts."""
CELL_LIMIT = 1000
"""Maximum cells of a heading."""
BLANK_LIMIT = 100_000
"""Maximum blank lines of a table: each costs as much time as a short item."""


class TableReader:
    """A reader of a CSV table's rows, fed with bytes in pieces of any size.

    Args:
        on_heading: As for `Rows`.
        limit: Maximum bytes of a record.
        guess: As for `Decoder`.
        separator: What separates cells if the heading has no separator.
    """

    def __init__(
        self,
        on_heading: Callable[[list[str], int], object],
        *,
        limit: int = RECORD_LIMIT,
        guess: bool = True,
        separator: str = ",",
    ) -> None:
        self._rows = Rows(on_heading)
        self._decoder = Decoder(guess=guess)
        self._records = Records(limit, separator)

    @property
    def heading(self) -> list[str] | None:
        """The names of the columns, as soon as they have been read."""
        return self._rows.heading

    @property
    def encoding(self) -> str:
        return self._decoder.encoding

    @property
    def separator(self) -> str:
        return self._records.separator or ","

    def feed(self, data: bytes, *, final: bool = False) -> Iterator[Record]:
        """Yield the rows that are complete, each with the line in which it begins.

        Raises:
            MalformedTableError: the table is wrong in a way that its message describes.
        """
        for text in self._decoder.feed(data, final=final):
            yield from self._rows.of(self._records.feed(text))
        if final:
            yield from self._rows.of(self._records.feed("", final=True))


class Rows:
    """The rows of a table: its records below the heading.

    A row may have fewer cells than the heading, or more if those are empty. Rows without any content are left out.

    Args:
        on_heading: Called with the heading's names and its line before the first row; may raise.
        blank_limit: Maximum rows without content.
    """

    def __init__(self, on_heading: Callable[[list[str], int], object], *, blank_limit: int = BLANK_LIMIT) -> None:
        self.heading: list[str] | None = None
        self._on_heading = on_heading
        self._blank_limit = blank_limit
        self._blank = 0

    def of(self, records: Iterator[Record]) -> Iterator[Record]:
        """Yield the rows among the records; raises `MalformedTableError`."""
        heading = self.heading
        for record in records:
            line, cells = record
            if not any(map(str.strip, cells)):
                self._skip(line)
            elif heading is None:
                heading = self._begin(cells, line)
            else:
                if len(cells) > len(heading):
                    self._check_surplus(cells, line, len(heading))
                yield record

    def _begin(self, cells: list[str], line: int) -> list[str]:
        names = [cell.strip() for cell in cells]
        while not names[-1]:
            names.pop()
        if len(names) > CELL_LIMIT:
            raise MalformedTableError(f"the heading in line {line} has over {CELL_LIMIT:,} cells", line)
        self._on_heading(names, line)
        self.heading = names
        return names

    def _check_surplus(self, cells: list[str], line: int, width: int) -> None:
        """Refuse cells beyond the heading, unless they are empty."""
        if any(map(str.strip, cells[width:])):
            detail = f"line {line} of the table has {len(cells)} cells, but the heading has {width}"
            raise MalformedTableError(detail, line, width + 1)
        del cells[width:]

    def _skip(self, line: int) -> None:
        self._blank += 1
        if self._blank > self._blank_limit:
            detail = f"line {line} is blank, like {self._blank_limit:,} before it: leave them out"
            raise MalformedTableError(detail, line)
