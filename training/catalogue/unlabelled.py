"""Texts of products without a label, from which word vectors and pseudo-labels are learned as well."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from shared.pipeline.params import without_password
from training.catalogue.errors import CatalogueError
from training.catalogue.places import PlaceError, kind_of, read

SCHEMA = pa.schema([pa.field("title", pa.string()), pa.field("description", pa.string())])

_ADVICE = (
    "import_data.unlabelled lists CSV files with a column designation (and perhaps description), as "
    "X_test_update.csv, and .jsonl files with a field text, or designation and description, per line."
)


class Text(NamedTuple):
    title: str | None
    description: str | None


def import_unlabelled(locations: Sequence[str], path: Path) -> int:
    """Read the files (paths or fsspec URLs) into one Parquet file; return the number of texts.

    Raises:
        CatalogueError: A file is missing or malformed; the message names it and the line.
    """
    texts = [text for location in locations for text in _read(location)]
    columns = [[text.title for text in texts], [text.description for text in texts]]
    pq.write_table(pa.table(columns, schema=SCHEMA), path)
    return len(texts)


def content_of(location: str) -> bytes:
    """Return the file's bytes; raises `CatalogueError`, which names it without a password."""
    try:
        return read(location)
    except FileNotFoundError:
        raise CatalogueError(f"There is no file {without_password(location)}. {_ADVICE}") from None
    except PlaceError as error:
        raise CatalogueError(f"{without_password(location)} cannot be read: {error}. {_ADVICE}") from error


def _read(location: str) -> Iterator[Text]:
    shown = without_password(location)
    try:
        content = content_of(location).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CatalogueError(f"{shown} is not UTF-8 from byte {error.start:,}. {_ADVICE}") from None
    yield from _json_lines(shown, content) if location.endswith(".jsonl") else _csv_rows(shown, content)


def _json_lines(location: str, content: str) -> Iterator[Text]:
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            title = record["text"] if "text" in record else record["designation"]
        except (ValueError, TypeError, KeyError) as error:
            raise CatalogueError(
                f"{location}, line {number} is not such a text: {kind_of(error)}. {_ADVICE}"
            ) from error
        yield Text(_stated(title), _stated(record.get("description")))


def _csv_rows(location: str, content: str) -> Iterator[Text]:
    rows = csv.DictReader(io.StringIO(content, newline=""), strict=True)
    try:
        if "designation" not in (rows.fieldnames or ()):
            raise CatalogueError(f"{location} has no column designation. {_ADVICE}")
        yield from (Text(_stated(row["designation"]), _stated(row.get("description"))) for row in rows)
    except csv.Error as error:
        raise CatalogueError(f"{location} is not a CSV file after line {rows.line_num}. {_ADVICE}") from error


def _stated(value: object) -> str | None:
    """Return a text; half a character, which JSON can hold and UTF-8 cannot, becomes a question mark."""
    return value.encode(errors="replace").decode() if isinstance(value, str) and value.strip() else None
