"""Results as files: NDJSON, CSV and Parquet, written a page at a time."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO

from api import ingest
from api.jobs.parquet import parquet
from api.jobs.render import picture_of, result_out
from api.lifecycle.names import NameOf, NamesOf
from shared.ledger import ItemStatus, Outcome
from shared.spreadsheets import disarmed

COLUMNS = (
    "index", "id", "status", "code", "category", "confidence", "needs_review",
    "bundle", "model_version", "error", "message", "cached",
    "sure_code", "sure", "path", "picture",
)  # fmt: skip
_BETWEEN = " > "
"""Between the names of a path."""

Outcomes = Iterable[tuple[str, Outcome]]
"""A page: each outcome with the bundle that gave it, "" for none."""
Row = tuple[object, ...]


@dataclass(frozen=True)
class FileFormat:
    media_type: str
    suffix: str
    write: Callable[[Iterable[Outcomes], NamesOf], Iterator[bytes]]


def ndjson(pages: Iterable[Outcomes], names_of: NamesOf) -> Iterator[bytes]:
    """Yield a line per result."""
    for page in pages:
        yield "".join(
            result_out(bundle, outcome, names_of(bundle)).model_dump_json() + "\n" for bundle, outcome in page
        ).encode()


def csv_table(pages: Iterable[Outcomes], names_of: NamesOf) -> Iterator[bytes]:
    """Yield a heading and a row per result; a spreadsheet that opens the file takes no cell for a formula."""
    return _csv(pages, names_of, disarmed)


def raw_csv_table(pages: Iterable[Outcomes], names_of: NamesOf) -> Iterator[bytes]:
    """The same with each text as it is, for programs."""
    return _csv(pages, names_of, lambda text: text)


def parquet_table(pages: Iterable[Outcomes], names_of: NamesOf) -> Iterator[bytes]:
    """Yield the parts of a Parquet file with the CSV's columns, typed."""
    return parquet(COLUMNS, ([row(bundle, outcome, names_of(bundle)) for bundle, outcome in page] for page in pages))


FORMATS = {
    "ndjson": FileFormat(ingest.NDJSON, "ndjson", ndjson),
    "csv": FileFormat(ingest.CSV, "csv", csv_table),
    "csv-raw": FileFormat(ingest.CSV, "csv", raw_csv_table),
    "parquet": FileFormat("application/vnd.apache.parquet", "parquet", parquet_table),
}


def row(bundle: str, outcome: Outcome, name_of: NameOf) -> Row:
    """A result as a row of a table with the columns `COLUMNS`, made without the models of the JSON."""
    status = outcome.status.value
    answered: Row = (None, None, None, None)
    of_path: Row = (None, None, None, None)
    failure: Row = (None, None)
    if outcome.status is not ItemStatus.SUCCEEDED:
        failure = (outcome.error or status, outcome.message or "")
    else:
        best = outcome.guesses[0]
        path = [guess.code for guess in (*outcome.path, best)]
        names = [name_of(code) for code in path]
        answered = (best.code, names[-1], best.confidence, outcome.needs_review)
        sure: Row = (path[outcome.sure - 1], names[outcome.sure - 1]) if outcome.sure else (None, None)
        of_path = (*sure, _BETWEEN.join(names), picture_of(outcome))
    about: Row = (bundle or None, bundle or None, *failure, outcome.cached)
    return (outcome.index, outcome.id, status, *answered, *about, *of_path)


def _csv(pages: Iterable[Outcomes], names_of: NamesOf, shown: Callable[[str], str]) -> Iterator[bytes]:
    yield _csv_rows([COLUMNS])
    for page in pages:
        yield _csv_rows(
            [_cell(cell, shown) for cell in row(bundle, outcome, names_of(bundle))] for bundle, outcome in page
        )


def _cell(cell: object, shown: Callable[[str], str]) -> object:
    if isinstance(cell, str):
        return shown(cell)
    return str(cell).lower() if isinstance(cell, bool) else cell


def _csv_rows(rows: Iterable[Sequence[object]]) -> bytes:
    buffer = StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode()
