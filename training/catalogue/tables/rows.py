"""Reads the products of a table: CSV, NDJSON, a workbook or Parquet."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import IO, Any

from catalog_client.tables import (
    BY_SUFFIX,
    NDJSON,
    SEPARATORS,
    XLSX,
    MalformedTableError,
    TableFile,
    as_text,
    open_table,
)
from shared.taxonomy.lookup import PATH_SIGN
from training.catalogue.entries import Entry
from training.catalogue.errors import CatalogueError
from training.catalogue.places import kind_of
from training.catalogue.tables.columns import FoundColumns, find_columns

MOST_ROWS = 5_000_000
PARQUET = ".parquet"
SUFFIXES = (*BY_SUFFIX, PARQUET)
"""Suffixes of tables; all but Parquet's may be followed by `.gz`."""
_OWN_FAULTS = (csv.Error, UnicodeError, EOFError)
"""Faults of which the reader of tables says itself what is wrong, and quotes nothing."""


@dataclass(frozen=True)
class TableRows:
    """The products of a table, and how it was read."""

    entries: Sequence[Entry]
    form: str
    """In words: format, encoding and separator."""
    columns: FoundColumns


def is_table(name: str) -> bool:
    """Whether a file's name is that of a table."""
    path = PurePath(name.partition("?")[0].lower())
    suffix = PurePath(path.stem).suffix if path.suffix == ".gz" else path.suffix
    return suffix in SUFFIXES and (path.suffix != ".gz" or suffix != PARQUET)


def read_rows(file: IO[bytes], name: str, named: Mapping[str, str | None]) -> TableRows:
    """Read all products of an open file.

    A product's row is its line in the file, or its number from 1 in a Parquet file. One without an id is called by its
    row.

    Args:
        name: The file's name, for messages.
        named: As for `find_columns`.

    Raises:
        CatalogueError: The table is malformed or too long, or its columns are not known; no cell is quoted.
    """
    with _told(name):
        if name.partition("?")[0].lower().endswith(PARQUET):
            return _parquet(file, named)
        with open_table(file, name) as table:
            if table.format == NDJSON:
                return _objects(table, named)
            return _cells(table, named)


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except MalformedTableError as error:
        cause = error.__cause__
        foreign = isinstance(cause, Exception) and not isinstance(cause, _OWN_FAULTS)
        what = f"it cannot be read: {kind_of(cause)}" if foreign and isinstance(cause, Exception) else str(error)
        where = f", line {error.line}" if foreign and error.line else ""
        raise CatalogueError(f"The table {name}{where}: {what}. Correct it, or save it again as CSV.") from error
    except CatalogueError as error:
        raise CatalogueError(f"The table {name}: {error}") from error


def _cells(table: TableFile, named: Mapping[str, str | None]) -> TableRows:
    found: list[FoundColumns] = []

    def begin(names: list[str], _: int) -> None:
        found.append(find_columns(names, named))

    def fields() -> Iterator[tuple[int, Mapping[str, Any]]]:
        for line, cells in table.rows(begin):
            places = found[0].places.items()
            yield line, {field: cells[place] for field, place in places if place < len(cells)}

    entries = _entries(fields())
    form = (
        "a workbook" if table.format == XLSX else f"CSV in {table.encoding} with {SEPARATORS[table.separator or ',']}"
    )
    return TableRows(entries, form, found[0])


def _objects(table: TableFile, named: Mapping[str, str | None]) -> TableRows:
    """Read NDJSON, whose columns are the members of all its objects."""
    rows = _bounded(table.objects())
    columns = find_columns(list(dict.fromkeys(name for _, item in rows for name in item)), named)
    names = {field: columns.heading[place] for field, place in columns.places.items()}
    fields = ((line, {field: item.get(name) for field, name in names.items()}) for line, item in rows)
    return TableRows(_entries(fields), f"NDJSON in {table.encoding}", columns)


def _parquet(file: IO[bytes], named: Mapping[str, str | None]) -> TableRows:
    # Imported here: the workers' image, which writes the sample catalogue, has no Arrow.
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        return _parquet_rows(ParquetFile(file), named)
    except ArrowException as error:
        raise CatalogueError("it is not a Parquet file that can be read. Write it again.") from error


def _parquet_rows(parquet: Any, named: Mapping[str, str | None]) -> TableRows:
    columns = find_columns(parquet.schema_arrow.names, named)
    if parquet.metadata.num_rows > MOST_ROWS:
        raise _too_long()
    names = {field: columns.heading[place] for field, place in columns.places.items()}

    def fields() -> Iterator[tuple[int, Mapping[str, Any]]]:
        row = 0
        for batch in parquet.iter_batches(columns=list(names.values())):
            cells = {field: batch.column(name).to_pylist() for field, name in names.items()}
            for index in range(batch.num_rows):
                row += 1
                yield row, {field: values[index] for field, values in cells.items()}

    return TableRows(_entries(fields()), "Parquet", columns)


def _bounded(rows: Iterable[tuple[int, Any]]) -> list[tuple[int, Any]]:
    found = []
    for number, row in enumerate(rows):
        if number == MOST_ROWS:
            raise _too_long()
        found.append(row)
    return found


def _too_long() -> CatalogueError:
    return CatalogueError(f"it has over {MOST_ROWS:,} rows. Split it, or leave rows out.")


def _entries(rows: Iterable[tuple[int, Mapping[str, Any]]]) -> list[Entry]:
    entries = []
    for number, (row, fields) in enumerate(rows):
        if number == MOST_ROWS:
            raise _too_long()
        try:
            entries.append(_entry(row, fields))
        except TypeError as error:
            raise CatalogueError(f"line {row}: {error}. Write a text or a number.") from None
    return entries


def _entry(row: int, fields: Mapping[str, Any]) -> Entry:
    def read(field: str, text_of: Callable[[Any, str], str] = _text) -> str:
        return text_of(fields.get(field), field)

    return Entry(
        row=row,
        id=read("id").strip() or f"row-{row}",
        title=_stated(read("title")),
        description=_stated(read("description")),
        label=read("category", _path).strip(),
        picture=_stated(read("picture", _picture).strip()),
    )


def _text(value: Any, field: str) -> str:
    """Return a cell's text; raises `TypeError` for what is no text, number or date.

    Half a character, which JSON can hold and UTF-8 cannot, becomes a question mark.
    """
    if isinstance(value, (bytes, list, tuple, Mapping)):
        raise TypeError(f"the {field} is a {type(value).__name__}")
    text = as_text(value)
    return "" if text == "nan" and isinstance(value, float) else text.encode(errors="replace").decode()


def _path(value: Any, field: str) -> str:
    """Return a label; a list holds the names on a path."""
    if isinstance(value, (list, tuple)):
        return f" {PATH_SIGN} ".join(_text(name, field) for name in value)
    return _text(value, field)


def _picture(value: Any, field: str) -> str:
    """Return a picture's name or URLs; it may be an object with one of them, as the service takes it, or a list."""
    if isinstance(value, Mapping):
        value = value.get("url") or value.get("file")
    if isinstance(value, (list, tuple)):
        return " ".join(_text(url, field) for url in value)
    return _text(value, field)


def _stated(text: str) -> str | None:
    return text if text.strip() else None
