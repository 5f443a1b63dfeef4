"""Results as files: NDJSON, CSV and Parquet, written a page at a time."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO

from api import ingest
from api.jobs.parquet import parquet
from api.jobs.render import result_out
from shared.ledger import ItemStatus, Outcome
from shared.taxonomy import name_of

COLUMNS = (
    "index", "id", "status", "prdtypecode", "category", "confidence", "needs_review",
    "bundle", "model_version", "error", "message", "cached",
)  # fmt: skip

Outcomes = Iterable[tuple[str, Outcome]]
"""A page: each outcome with the bundle that gave it, "" for none."""
Row = tuple[object, ...]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection"), full-width signs included."""


@dataclass(frozen=True)
class FileFormat:
    media_type: str
    suffix: str
    write: Callable[[Iterable[Outcomes]], Iterator[bytes]]


def ndjson(pages: Iterable[Outcomes]) -> Iterator[bytes]:
    """Yield a line per result."""
    for page in pages:
        yield "".join(result_out(*found).model_dump_json() + "\n" for found in page).encode()


def csv_table(pages: Iterable[Outcomes]) -> Iterator[bytes]:
    """Yield a heading and a row per result; a spreadsheet that opens the file takes no cell for a formula."""
    return _csv(pages, disarmed)


def raw_csv_table(pages: Iterable[Outcomes]) -> Iterator[bytes]:
    """The same with each text as it is, for programs."""
    return _csv(pages, lambda text: text)


def parquet_table(pages: Iterable[Outcomes]) -> Iterator[bytes]:
    """Yield the parts of a Parquet file with the CSV's columns, typed."""
    return parquet(COLUMNS, ([row(*found) for found in page] for page in pages))


FORMATS = {
    "ndjson": FileFormat(ingest.NDJSON, "ndjson", ndjson),
    "csv": FileFormat(ingest.CSV, "csv", csv_table),
    "csv-raw": FileFormat(ingest.CSV, "csv", raw_csv_table),
    "parquet": FileFormat("application/vnd.apache.parquet", "parquet", parquet_table),
}


def row(bundle: str, outcome: Outcome) -> Row:
    """A result as a row of a table with the columns `COLUMNS`, made without the models of the JSON."""
    status = outcome.status.value
    answered: Row = (None, None, None, None)
    failure: Row = (None, None)
    if outcome.status is not ItemStatus.SUCCEEDED:
        failure = (outcome.error or status, outcome.message or "")
    else:
        best = outcome.guesses[0]
        answered = (best.code, name_of(best.code), best.confidence, outcome.needs_review)
    return (outcome.index, outcome.id, status, *answered, bundle or None, bundle or None, *failure, outcome.cached)


def disarmed(text: str) -> str:
    """The text with an apostrophe before it if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv(pages: Iterable[Outcomes], shown: Callable[[str], str]) -> Iterator[bytes]:
    yield _csv_rows([COLUMNS])
    for page in pages:
        yield _csv_rows([_cell(cell, shown) for cell in row(*found)] for found in page)


def _cell(cell: object, shown: Callable[[str], str]) -> object:
    if isinstance(cell, str):
        return shown(cell)
    return str(cell).lower() if isinstance(cell, bool) else cell


def _csv_rows(rows: Iterable[Sequence[object]]) -> bytes:
    buffer = StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode()
