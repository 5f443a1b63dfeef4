"""Texts of products without a label, from which word vectors and pseudo-labels are learned as well."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from training.catalogue.challenge import CatalogueError

SCHEMA = pa.schema([pa.field("designation", pa.string()), pa.field("description", pa.string())])

_ADVICE = (
    "import_data.unlabelled lists CSV files with a column designation (and perhaps description), as "
    "X_test_update.csv, and .jsonl files with a field text, or designation and description, per line."
)


class Text(NamedTuple):
    designation: str | None
    description: str | None


def import_unlabelled(locations: Sequence[str], path: Path) -> int:
    """Read the files (paths or fsspec URLs) into one Parquet file; return the number of texts.

    Raises:
        CatalogueError: A file is missing or malformed; the message names it and the line.
    """
    texts = [text for location in locations for text in _read(location)]
    columns = [[text.designation for text in texts], [text.description for text in texts]]
    pq.write_table(pa.table(columns, schema=SCHEMA), path)
    return len(texts)


def _read(location: str) -> Iterator[Text]:
    try:
        with fsspec.open(location, "rt", encoding="utf-8", newline="") as file:
            content = file.read()
    except FileNotFoundError:
        raise CatalogueError(f"There is no file {location}. {_ADVICE}") from None
    except (OSError, ValueError, ImportError) as error:
        raise CatalogueError(f"{location} cannot be read: {error}. {_ADVICE}") from error
    yield from _json_lines(location, content) if location.endswith(".jsonl") else _csv_rows(location, content)


def _json_lines(location: str, content: str) -> Iterator[Text]:
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            title = record["text"] if "text" in record else record["designation"]
        except (ValueError, TypeError, KeyError) as error:
            raise CatalogueError(f"{location}, line {number} is not such a text: {error!r}. {_ADVICE}") from error
        yield Text(_stated(title), _stated(record.get("description")))


def _csv_rows(location: str, content: str) -> Iterator[Text]:
    try:
        rows = csv.DictReader(io.StringIO(content, newline=""), strict=True)
        if "designation" not in (rows.fieldnames or ()):
            raise CatalogueError(f"{location} has no column designation. {_ADVICE}")
        yield from (Text(_stated(row["designation"]), _stated(row.get("description"))) for row in rows)
    except csv.Error as error:
        raise CatalogueError(f"{location} is not a CSV file: {error}. {_ADVICE}") from error


def _stated(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
