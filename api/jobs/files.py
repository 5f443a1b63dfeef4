"""Results as files: NDJSON, CSV and Parquet, written a page at a time."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO

from api import ingest
from api.jobs.parquet import parquet
from api.jobs.render import Final, final_of, picture_of, result_out
from api.lifecycle.names import NameOf, NamesOf
from api.lifecycle.times import time_of
from shared.ledger import Decided, ItemStatus, Outcome, Sent, Value
from shared.spreadsheets import disarmed

COLUMNS = (
    "index", "id", "status", "code", "category", "confidence", "needs_review",
    "bundle", "model_version", "error", "message", "cached",
    "sure_code", "sure", "path", "picture",
    "final_code", "final", "decided_by", "decided_at", "title", "provisional",
)  # fmt: skip
_BETWEEN = " > "
"""Between the names of a path."""

Found = Iterable[tuple[str, Outcome, Sent, Decided | None]]
"""A page: each outcome with the bundle that gave it, "" for none, what belongs to its item, and what was decided."""
Row = tuple[object, ...]


@dataclass(frozen=True)
class FileFormat:
    media_type: str
    suffix: str
    write: Callable[[Iterable[Found], NamesOf, Sequence[str]], Iterator[bytes]]
    """Takes pages, and the names of the caller's own columns."""


def ndjson(pages: Iterable[Found], names_of: NamesOf, _: Sequence[str] = ()) -> Iterator[bytes]:
    """Yield a line per result."""
    for page in pages:
        yield "".join(
            result_out(bundle, outcome, names_of(bundle), sent, decided).model_dump_json() + "\n"
            for bundle, outcome, sent, decided in page
        ).encode()


def csv_table(pages: Iterable[Found], names_of: NamesOf, own: Sequence[str] = ()) -> Iterator[bytes]:
    """Yield a heading and a row per result; a spreadsheet that opens the file takes no cell for a formula."""
    return _csv(pages, names_of, own, disarmed)


def raw_csv_table(pages: Iterable[Found], names_of: NamesOf, own: Sequence[str] = ()) -> Iterator[bytes]:
    """The same with each text as it is, for programs."""
    return _csv(pages, names_of, own, lambda text: text)


def parquet_table(pages: Iterable[Found], names_of: NamesOf, own: Sequence[str] = ()) -> Iterator[bytes]:
    """Yield the parts of a Parquet file with the CSV's columns, ours typed, the caller's own as texts."""
    columns = zip(_heading(own), (*COLUMNS, *(None for _ in own)), strict=True)
    return parquet(
        list(columns),
        (
            [(*row(b, o, names_of(b), sent, d), *map(_text, _own_values(sent, own))) for b, o, sent, d in page]
            for page in pages
        ),
    )


FORMATS = {
    "ndjson": FileFormat(ingest.NDJSON, "ndjson", ndjson),
    "csv": FileFormat(ingest.CSV, "csv", csv_table),
    "csv-raw": FileFormat(ingest.CSV, "csv", raw_csv_table),
    "parquet": FileFormat("application/vnd.apache.parquet", "parquet", parquet_table),
}


def row(bundle: str, outcome: Outcome, name_of: NameOf, sent: Sent, decided: Decided | None = None) -> Row:
    """A result as a row of a table with the columns `COLUMNS`, made without the models of the JSON."""
    status = outcome.status.value
    answered: Row = (None, None, None, None)
    of_path: Row = (None, None, None, None)
    failure: Row = (None, None)
    final: Row = (None, None, None, None)
    if outcome.status is not ItemStatus.SUCCEEDED:
        failure = (outcome.error or status, outcome.message or "")
    else:
        best = outcome.guesses[0]
        path = [guess.code for guess in (*outcome.path, best)]
        names = [name_of(code) for code in path]
        answered = (best.code, names[-1], best.confidence, outcome.needs_review)
        sure: Row = (path[outcome.sure - 1], names[outcome.sure - 1]) if outcome.sure else (None, None)
        of_path = (*sure, _BETWEEN.join(names), picture_of(outcome))
        final = _final_cells(final_of(outcome, decided), name_of)
    about: Row = (bundle or None, bundle or None, *failure, outcome.cached)
    return (outcome.index, outcome.id, status, *answered, *about, *of_path, *final, sent.title, outcome.provisional)


def _final_cells(final: Final, name_of: NameOf) -> Row:
    name = None if final.code is None else name_of(final.code)
    at = None if final.at is None else time_of(final.at).isoformat().replace("+00:00", "Z")
    return (final.code, name, final.by, at)


def _heading(own: Sequence[str]) -> list[str]:
    """Name the columns: the caller's own keep their names, so ours make way for them."""
    taken = {name.lower() for name in own}

    def ours(name: str) -> str:
        return name if name not in taken else ours(f"result_{name}")

    return [*map(ours, COLUMNS), *own]


def _csv(pages: Iterable[Found], names_of: NamesOf, own: Sequence[str], shown: Callable[[str], str]) -> Iterator[bytes]:
    ours = len(COLUMNS)
    heading = _heading(own)
    yield _csv_rows([[*heading[:ours], *map(shown, heading[ours:])]])
    for page in pages:
        yield _csv_rows(
            [
                *(_cell(cell, shown) for cell in row(bundle, outcome, names_of(bundle), sent, decided)),
                *(_own_cell(value, shown) for value in _own_values(sent, own)),
            ]
            for bundle, outcome, sent, decided in page
        )


def _own_values(sent: Sent, own: Sequence[str]) -> Iterator[Value]:
    metadata = sent.metadata or {}
    return map(metadata.get, own)


def _own_cell(value: Value, shown: Callable[[str], str]) -> str:
    return shown(value) if isinstance(value, str) else _text(value) or ""


def _text(value: Value) -> str | None:
    """The value as a text; a number is written as in JSON."""
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _cell(cell: object, shown: Callable[[str], str]) -> object:
    if isinstance(cell, str):
        return shown(cell)
    return str(cell).lower() if isinstance(cell, bool) else cell


def _csv_rows(rows: Iterable[Sequence[object]]) -> bytes:
    buffer = StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue().encode()
