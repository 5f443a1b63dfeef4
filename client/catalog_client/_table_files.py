"""Tables on disk or from a pipe: opened, unpacked, and read as rows or objects."""

import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Self, cast

from catalog_client._errors import InputError, TableError
from catalog_client._own_columns import check_size
from catalog_client.tables import (
    BY_SUFFIX,
    NDJSON,
    SEPARATORS,
    Columns,
    MalformedTableError,
    TableFile,
    open_table,
)


@dataclass(frozen=True)
class TableForm:
    """How a table is written, as it was found."""

    format: str
    """`csv`, `ndjson` or `xlsx`."""
    encoding: str | None = None
    separator: str | None = None
    further: tuple[str, ...] = ()
    """The columns that are not sent."""
    own: tuple[str, ...] = ()
    """Your own columns, which are sent beside each item and come back with its result."""

    @property
    def notice(self) -> str | None:
        """A sentence for the person who sends the table, unless it is UTF-8 with commas and an item's columns alone."""
        parts = [] if self.encoding in (None, "UTF-8") else [f"read as {self.encoding}"]
        if self.separator not in (None, ","):
            parts.append(f"cells are separated by {SEPARATORS[self.separator]}")
        if self.own:
            parts.append(f"your own columns, which come back with the results: {', '.join(self.own)[:200]}")
        if self.further:
            parts.append(f"columns that are not sent: {', '.join(self.further)[:200]}")
        return "; ".join(parts) or None


class Table:
    """A table of items or labels. A pipe is read once, into a temporary file; close the table then (`with`).

    Args:
        path: A .csv, .tsv, .txt, .ndjson or .jsonl, each perhaps with .gz, or a .xlsx; "-" is standard input.
        format: "csv", "ndjson" or "xlsx" where the name does not say it; by default the content does.
        mapping: Names of columns by the field that they hold, such as {"title": "Libellé"}.
        own_columns: Whether the further columns of a table of items are sent, so that they come back with the results.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        format: str | None = None,  # noqa: A002  # as the command's option is called
        mapping: Mapping[str, str] | None = None,
        own_columns: bool = True,
    ) -> None:
        if format not in (None, *BY_SUFFIX.values()):
            raise InputError(f"the format {format!r} is not one of csv, ndjson and xlsx")
        self.path = Path(path)
        self.mapping = dict(mapping or {})
        self.own_columns = own_columns
        self.form: TableForm | None = None
        """Known when the first row has been read."""
        self.columns = Columns((), {})
        """Those of the heading, as soon as it has been read."""
        self._format = format
        self._spool: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        return "standard input" if str(self.path) == "-" else str(self.path)

    def close(self) -> None:
        """Delete the temporary file of a pipe."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def read(self, columns: Callable[[list[str]], Columns]) -> Iterator[tuple[int, list[str] | None, dict[str, Any]]]:
        """Yield each row: its line, its cells and its known fields; an object of NDJSON has no cells.

        The cells of the caller's own columns are in the field `metadata`.

        Raises:
            TableError: the table cannot be read, or is malformed; the message says where and what to do.
        """
        with self._opened() as table:
            self.form = None
            for row in self._rows(table, columns):
                self.form = self.form or self._form(table)
                yield row
            self.form = self._form(table)  # the encoding may have shown itself late

    def count(self, columns: Callable[[list[str]], Columns]) -> int:
        """Count the rows; raises as `read` does, except that objects of NDJSON are not parsed."""
        with self._opened() as table:
            rows = table.lines() if table.format == NDJSON else self._rows(table, columns)
            number = sum(1 for _ in rows)
            self.form = self._form(table)
            return number

    def _rows(
        self, table: TableFile, columns: Callable[[list[str]], Columns]
    ) -> Iterator[tuple[int, list[str] | None, dict[str, Any]]]:
        if table.format == NDJSON:
            for line, item in table.objects():
                yield line, None, item
            return
        for line, cells in table.rows(self._on_heading(columns)):
            fields = cast("dict[str, Any]", self.columns.fields(cells))
            if self.columns.own:
                fields["metadata"] = own = self.columns.own_cells(cells)
                check_size(own, line)
            yield line, cells, fields

    def _form(self, table: TableFile) -> TableForm:
        further, own = self.columns.further, tuple(self.columns.own)
        return TableForm(table.format, table.encoding, table.separator, further, own)

    def _on_heading(self, columns: Callable[[list[str]], Columns]) -> Callable[[list[str], int], None]:
        def begin(names: list[str], _: int) -> None:
            self.columns = columns(names)

        return begin

    @contextmanager
    def _opened(self) -> Iterator[TableFile]:
        """Open the table from its beginning, unpacked; raises `TableError` for whatever goes wrong with it."""
        try:
            with self._stored() as stored, open_table(stored, self.path.name, form=self._format) as table:
                yield table
        except MalformedTableError as error:
            raise TableError(f"{self}: {error}", line=error.line, column=error.column) from error
        except OSError as error:
            raise TableError(f"{self}: {error.strerror or error}") from error

    @contextmanager
    def _stored(self) -> Iterator[IO[bytes]]:
        if self._spool is None and str(self.path) != "-" and stat.S_ISREG(self.path.stat().st_mode):
            with self.path.open("rb") as file:
                yield file
            return
        if self._spool is None:
            self._spool = TemporaryFile()  # noqa: SIM115  # `close` closes it
            if str(self.path) == "-":
                shutil.copyfileobj(sys.stdin.buffer, self._spool)
            else:
                with self.path.open("rb") as pipe:
                    shutil.copyfileobj(pipe, self._spool)
        self._spool.seek(0)
        yield self._spool
