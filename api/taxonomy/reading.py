"""Reads the taxonomy in a request's body; what is wrong with it is named by line."""

import csv
import io
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from itertools import islice, zip_longest
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from api.http.body import CSV, JSON, Body
from api.http.problems import Problem, invalid_request, malformed, shortened
from api.http.small_bodies import unsupported
from api.taxonomy.schemas import TaxonomyIn
from catalog_client.tables import MalformedTableError, TableReader
from shared.taxonomy import Taxonomy, TaxonomyError, read, writing
from shared.taxonomy.reading import MOST_CATEGORIES

_LIMIT = 32 * 1024**2
"""Bytes of a body, several times those of a taxonomy with the most categories."""
_MOST_MARKS = 40 * MOST_CATEGORIES
"""Brackets and commas of a JSON body: `[[],[],…]` would take fifty times its length in memory."""
_TOLD = 1000
"""Faults that an answer lists."""


async def taxonomy_in(request: Request) -> Taxonomy:
    """Return the taxonomy in the body.

    Raises:
        Problem: the body is too large, of another media type, cannot be read, or is no taxonomy: every fault is named.
    """
    body = Body(request, _LIMIT)
    if body.media_type not in (JSON, CSV):
        raise unsupported(body.media_type, [JSON, CSV])
    text = await body.whole()
    return await run_in_threadpool(_from_csv if body.media_type == CSV else _from_json, text)


def invalid_taxonomy(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Return the answer to a taxonomy that cannot be accepted.

    Args:
        errors: What is wrong, each with a `detail`, and with a `line` or `pointer` if it has a place.
    """
    shown = "; ".join(_placed(error) for error in errors[:10])
    more = f"; and {len(errors) - 10:,} more faults" if len(errors) > 10 else ""
    listed = [{**error, "detail": shortened(error["detail"])} for error in errors[:_TOLD]]
    detail = f"Nothing was changed, because the taxonomy is wrong: {shortened(shown)}{more}."
    not_listed = max(len(errors) - _TOLD, 0)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-taxonomy", detail, errors=listed, not_listed=not_listed)


def _placed(error: Mapping[str, Any]) -> str:
    place = f"line {error['line']}" if "line" in error else error.get("pointer")
    return f"{place}: {error['detail']}" if place else str(error["detail"])


def _from_json(text: bytearray) -> Taxonomy:
    if sum(text.count(mark) for mark in (b"[", b"{", b",")) > _MOST_MARKS:
        raise malformed(f"the body has more values than {MOST_CATEGORIES:,} categories can have")
    document = bytes(text).removeprefix(b"\xef\xbb\xbf")
    try:
        TaxonomyIn.model_validate_json(document)
        return writing.from_json(document)
    except ValidationError as error:
        raise invalid_request(error.errors()) from error
    except TaxonomyError as error:
        faults = [{"pointer": f"/categories/{fault.line - 1}", "detail": fault.problem} for fault in error.faults]
        raise invalid_taxonomy(faults) from error


def _from_csv(text: bytearray) -> Taxonomy:
    columns: list[str] = []
    reader = TableReader(lambda names, _: columns.extend(names), guess=False)  # nobody would see what was guessed
    try:
        rows = list(islice(reader.feed(bytes(text), final=True), MOST_CATEGORIES + 1))
        if not columns:
            raise malformed("the table is empty: its first line must name its columns, code and name among them")
        return read(columns, ((line, dict(zip_longest(columns, cells, fillvalue=""))) for line, cells in rows))
    except MalformedTableError as error:
        raise malformed(str(error), **({} if error.line is None else {"line": error.line})) from error
    except TaxonomyError as error:
        raise invalid_taxonomy([{"line": fault.line, "detail": fault.problem} for fault in error.faults]) from error


def as_csv(taxonomy: Taxonomy) -> bytes:
    """Return the taxonomy as a table that `taxonomy_in` reads back."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, writing.columns(taxonomy), restval="")
    writer.writeheader()
    writer.writerows(writing.rows(taxonomy))
    return buffer.getvalue().encode()
