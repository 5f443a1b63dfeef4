"""Tables as files: CSV, NDJSON or a workbook's first sheet, each perhaps packed with gzip."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import IO, Any, cast

from catalog_client.tables.encodings import Decoder
from catalog_client.tables.errors import MalformedTableError
from catalog_client.tables.reader import Rows, TableReader
from catalog_client.tables.records import Record
from catalog_client.tables.workbooks import workbook_records

CSV, NDJSON, XLSX = "csv", "ndjson", "xlsx"
BY_SUFFIX = {".csv": CSV, ".tsv": CSV, ".txt": CSV, ".ndjson": NDJSON, ".jsonl": NDJSON, ".xlsx": XLSX}
"""The formats of tables, by the suffixes of their names; `.gz` may follow."""
_GZIP, _ZIP, _OLE = b"\x1f\x8b", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_PIECE = 64 * 1024
_LINE_LIMIT = 64 * 1024**2
"""Maximum characters of a line of NDJSON, which may hold a picture."""
_SHEET_ROWS = 1_048_576


class TableFile:
    """A table in an open file, to be read once from its beginning; `open_table` makes it.

    Attributes:
        format: `csv`, `ndjson` or `xlsx`.
        encoding: The encoding's usual name; `None` for a workbook, and before the first rows are read.
        separator: What separates the cells of a CSV table; `None` for others, and before the first rows are read.
    """

    def __init__(self, file: IO[bytes], suffixes: list[str], form: str) -> None:
        self.format = form
        self.encoding: str | None = None
        self.separator: str | None = None
        self._file = file
        self._default = "\t" if ".tsv" in suffixes else ","

    def rows(self, on_heading: Callable[[list[str], int], object]) -> Iterator[Record]:
        """Yield the rows of a CSV table or a workbook as `Rows` does, which also calls `on_heading`.

        Raises:
            MalformedTableError: the table is wrong in a way that its message describes, or empty.
        """
        if self.format == XLSX:
            rows = Rows(on_heading, blank_limit=_SHEET_ROWS)
            yield from rows.of(workbook_records(self._file, _SHEET_ROWS))
            if rows.heading is None:
                raise MalformedTableError("its first sheet is empty: the first row must name the columns")
            return
        reader = TableReader(on_heading, separator=self._default)
        for piece in _pieces(self._file):
            for row in reader.feed(piece, final=not piece):
                self.encoding, self.separator = reader.encoding, reader.separator
                yield row
        self.encoding, self.separator = reader.encoding, reader.separator
        if reader.heading is None:
            raise MalformedTableError("the table is empty: its first line must name its columns")

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the lines of NDJSON that are not blank, with their numbers; raises `MalformedTableError`."""
        decoder, number, rest = Decoder(), 0, list[str]()
        size = 0
        for text in (text for piece in _pieces(self._file) for text in decoder.feed(piece, final=not piece)):
            self.encoding = decoder.encoding
            first, *others = text.split("\n")
            rest.append(first)
            size += len(first)
            for following in others:
                number += 1
                if not (line := "".join(rest)).isspace() and line:
                    yield number, line
                rest, size = [following], len(following)
            if size > _LINE_LIMIT:
                raise MalformedTableError(f"line {number + 1}: over {_LINE_LIMIT:,} characters", number + 1)
        if (line := "".join(rest)).strip():
            yield number + 1, line

    def objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the objects of NDJSON, with the numbers of their lines; raises `MalformedTableError`."""
        for line, text in self.lines():
            try:
                item = json.loads(text, object_pairs_hook=_members)
            except (ValueError, RecursionError) as error:
                raise MalformedTableError(f"line {line}: not JSON: {error}", line) from error
            if not isinstance(item, dict):
                raise MalformedTableError(f"line {line}: an item is a JSON object", line)
            yield line, item


@contextmanager
def open_table(file: IO[bytes], name: str, *, form: str | None = None) -> Iterator[TableFile]:
    """Open the table in a file that can be sought in, unpacked.

    Args:
        name: The file's name, whose suffix tells the format where the content does not.
        form: `csv`, `ndjson` or `xlsx`, where somebody has said it; it goes before the suffix.

    Raises:
        MalformedTableError: there is no table of a known format in the file, or what packs it is damaged.
    """
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    try:
        head = _head(file)
        if head.startswith(_GZIP):
            with gzip.GzipFile(fileobj=file) as unpacked:
                inner = cast("IO[bytes]", unpacked)
                yield TableFile(inner, suffixes, _format(_head(inner), suffixes, form))
        else:
            yield TableFile(file, suffixes, _format(head, suffixes, form))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise MalformedTableError(str(error)) from error


def _format(head: bytes, suffixes: list[str], said: str | None) -> str:
    """Tell the format by the content where it is certain, then by what was said, the suffix, and the first letter."""
    if head.startswith(_ZIP):
        return XLSX
    if head.startswith(_OLE):
        raise MalformedTableError("an .xls workbook is not read: save it as .xlsx or as CSV")
    named = [suffix for suffix in suffixes if suffix != ".gz"][-1:]
    found = said or (BY_SUFFIX.get(named[0]) if named else None)
    if found == XLSX:
        raise MalformedTableError("no workbook, although it is said to be one: it is not a zip archive")
    if found is None:
        text = "".join(Decoder().feed(head.rstrip(b"\x80\xbf")))
        found = NDJSON if text.lstrip().startswith(("{", "[")) else CSV
    return found


def _head(file: IO[bytes]) -> bytes:
    """Return the first bytes, at which more than one look is taken."""
    head = file.read(64)
    file.seek(0)
    return head


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the file in pieces, and an empty one at its end."""
    while piece := file.read(_PIECE):
        yield piece
    yield b""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object; raises `ValueError` for a member that occurs twice, of which nobody knows which one counts."""
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the member {next(name for name in names if names.count(name) > 1)!r} occurs twice")
    return members
