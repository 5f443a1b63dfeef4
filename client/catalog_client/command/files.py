"""Results as rows and lines of a file."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from io import TextIOWrapper
from typing import Any, BinaryIO

from catalog_client import Result, Table
from catalog_client._items import dump
from catalog_client._tables import disarmed, own_rows

_NUMBER = re.compile(r"[-+]?[\d .,]*\d")
_COLUMNS = (
    *("id", "status", "code", "category", "confidence", "needs_review"),
    *("error", "bundle", "model_version", "cached"),  # model_version: the bundle under its old name
    *("sure_code", "sure", "path", "picture"),
    *("final_code", "final", "decided_by", "decided_at", "provisional"),
)


def write_lines(file: BinaryIO, results: Iterable[Result]) -> None:
    """Write each result as a line of NDJSON, as the service sent it."""
    file.writelines(dump(result.document) + b"\n" for result in results)


def write_challenge(file: BinaryIO, results: Iterable[Result]) -> None:
    """Write the challenge's columns row and prdtypecode as CSV."""
    rows = ((result.id, result.category.code) for result in results if result.category)
    _write_rows(file, ("row", "prdtypecode"), rows)


def write_csv(file: BinaryIO, results: Sequence[Result]) -> None:
    """Write the results as CSV, and behind them the items' own columns."""
    own = list(dict.fromkeys(name for result in results for name in result.metadata or ()))
    rows = ([*_row(result), *_own_cells(result, own)] for result in results)
    _write_rows(file, [*_beside(_COLUMNS, own), *map(disarmed, own)], rows)


def write_joined(file: BinaryIO, results: Iterable[Result], table: Table) -> None:
    """Write the table's own columns and those of the results as CSV, joined by the items' ids."""
    own = [*table.columns.heading]
    kept = [place for place, name in enumerate(_COLUMNS) if name != "id" or "id" not in table.columns.places]
    named = _beside([_COLUMNS[place] for place in kept], own)
    found = {result.id: result for result in results}

    def rows() -> Iterator[list[Any]]:
        for position, (item_id, cells) in enumerate(own_rows(table)):
            if (result := found.get(item_id or str(position))) is not None:
                values = _row(result)
                padded = [*map(_harmless, cells), *[""] * (len(own) - len(cells))]
                yield [*padded, *(values[place] for place in kept)]

    _write_rows(file, [*map(disarmed, own), *named], rows())


def _beside(columns: Sequence[str], own: Iterable[str]) -> list[str]:
    """Name the columns of results: `result_` comes before a name that the caller's own columns have."""
    taken = {name.lower() for name in own}

    def free(name: str) -> str:
        return free(f"result_{name}") if name in taken else name

    return [*map(free, columns)]


def _own_cells(result: Result, own: Sequence[str]) -> Iterator[str]:
    for value in map((result.metadata or {}).get, own):
        if isinstance(value, str):
            yield _harmless(value)
        else:
            yield "" if value is None else json.dumps(value)


def _harmless(cell: str) -> str:
    """Disarm a cell of the caller's own, unless it is a number."""
    return cell if _NUMBER.fullmatch(cell) else disarmed(cell)


def _row(result: Result) -> tuple[Any, ...]:
    """The values of `_COLUMNS`, for a spreadsheet; NDJSON has each text as it is."""
    category, error = result.category, result.error
    sure = category.sure if category else None
    final = result.final
    return (
        disarmed(result.id),
        result.status,
        disarmed(category.code) if category else "",
        disarmed(category.name) if category else "",
        category.confidence if category else "",
        "" if result.needs_review is None else str(result.needs_review).lower(),
        disarmed(error.message) if error else "",
        result.bundle,
        result.bundle,
        str(result.cached).lower(),
        disarmed(sure.code) if sure else "",
        disarmed(sure.name) if sure else "",
        disarmed(" > ".join(above.name for above in category.path)) if category else "",
        result.picture,
        disarmed(final.code) if final else "",
        disarmed(final.name) if final else "",
        result.decided_by,
        result.decided_at.isoformat() if result.decided_at else "",
        str(result.provisional).lower(),
    )


def _write_rows(file: BinaryIO, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    text = TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    text.detach()
