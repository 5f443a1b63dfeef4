"""Taxonomies as the service takes them: from a file of any form of table, or from mappings."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from catalog_client._errors import TableError
from catalog_client.tables import NDJSON, MalformedTableError, TableFile, open_table

CSV, JSON = "text/csv; charset=utf-8", "application/json"

Categories = str | Path | Iterable[Mapping[str, str]]
"""A table's path, or categories with the columns of such a table as members."""


def taxonomy_body(categories: Categories) -> tuple[str, bytes]:
    """Return the media type and the body of a request; the lines of a table keep their numbers.

    Raises:
        TableError: the file cannot be read, or is malformed.
    """
    if not isinstance(categories, (str, Path)):
        return JSON, _json(categories)
    path = Path(categories)
    try:
        with path.open("rb") as file:
            if path.suffix.lower() == ".json":
                return JSON, file.read()
            with open_table(file, path.name) as table:
                return (
                    (JSON, _json(item for _, item in table.objects())) if table.format == NDJSON else (CSV, _csv(table))
                )
    except MalformedTableError as error:
        raise TableError(f"{path}: {error}", line=error.line, column=error.column) from error
    except OSError as error:
        raise TableError(f"{path}: {error.strerror or error}") from error


def _json(categories: Iterable[Mapping[str, str]]) -> bytes:
    return json.dumps({"categories": [dict(category) for category in categories]}, ensure_ascii=False).encode()


def _csv(table: TableFile) -> bytes:
    """The table in UTF-8 with commas, with each row on the line that it begins on."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    next_line = 1

    def write(cells: list[str], line: int) -> None:
        nonlocal next_line
        text.write("\n" * (line - next_line))
        writer.writerow([" ".join(cell.splitlines()) for cell in cells])
        next_line = line + 1

    for line, cells in table.rows(write):
        write(cells, line)
    return text.getvalue().encode()
