"""A request's body to raw items, one at a time and not yet checked.

NDJSON is streamed, so that its length is bounded by the number of items alone. Other forms are read as a whole, up to a
limit; the files of a multipart body are spooled to disk.
"""

import csv
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from io import StringIO
from pathlib import PurePath
from typing import Any, TypeVar

from fastapi import Request
from starlette.datastructures import UploadFile

from api.problems import Problem
from shared.settings import Settings

JSON, NDJSON, CSV, MULTIPART = "application/json", "application/x-ndjson", "text/csv", "multipart/form-data"
_CSV_COLUMNS = ("id", "title", "description", "image")
_LINE_OVERHEAD = 256 * 1024

T = TypeVar("T")


@dataclass(frozen=True)
class RawItem:
    index: int
    fields: Any
    pointer: str
    """JSON pointer to the item in the body."""
    line: int | None = None
    """In the body or table, from 1."""


@dataclass(frozen=True)
class Intake:
    """What a request holds."""

    items: AsyncIterator[RawItem]
    webhook_url: Any = None
    files: Mapping[str, UploadFile] = field(default_factory=dict)
    """By the name under which an item's `image.file` refers to it."""


async def read(request: Request, settings: Settings) -> Intake:
    """Raises `Problem` for a media type that is not known and a body that cannot be parsed."""
    media_type = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    webhook_url = request.query_params.get("webhook_url")
    if media_type == NDJSON:
        limit = settings.max_image_bytes * 4 // 3 + _LINE_OVERHEAD
        return Intake(_ndjson(_lines(request, limit)), webhook_url)
    if media_type == MULTIPART:
        return await _multipart(request, settings, webhook_url)
    if media_type == JSON:
        document = _parse_json(await _whole(request, settings.max_body_bytes))
        return Intake(_listed(document["items"]), document.get("webhook_url", webhook_url))
    if media_type == CSV:
        return Intake(_async(_csv(_text(await _whole(request, settings.max_body_bytes)))), webhook_url)
    raise Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        f"{media_type} is not accepted: send {JSON}, {NDJSON}, {CSV} or {MULTIPART}.",
    )


def single(fields: Any) -> Intake:
    """One item that was not sent as a job."""
    return Intake(_listed([fields]))


async def json_object(request: Request, limit: int) -> dict[str, Any]:
    """The whole body as a JSON object; raises `Problem`."""
    document = _loads(await _whole(request, limit))
    if not isinstance(document, dict):
        raise _malformed("the body must be a JSON object")
    return document


async def _multipart(request: Request, settings: Settings, webhook_url: str | None) -> Intake:
    """The field `items` holds the table; every other file is a picture, known by its name."""
    form = await request.form(max_files=settings.max_items + 1, max_fields=10, max_part_size=settings.max_body_bytes)
    table = form.get("items")
    if table is None:
        raise _malformed("the multipart body has no field named items")
    if isinstance(table, UploadFile):
        name, content = table.filename or "", _text(await table.read())
    else:
        name, content = "", table
    url = form.get("webhook_url", webhook_url)
    files = {
        PurePath(value.filename).name: value
        for field_name, value in form.multi_items()
        if field_name != "items" and isinstance(value, UploadFile) and value.filename
    }
    if name.endswith(".csv"):
        items = _async(_csv(content))
    elif content.lstrip().startswith(("[", '{"items"')):
        items = _listed(_parse_json(content.encode())["items"])
    else:
        items = _ndjson(_async(enumerate(content.encode().splitlines(), 1)))
    return Intake(items, url, files)


async def _whole(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "body-too-large",
                f"The body is larger than {limit:,} bytes. Send larger catalogues as {NDJSON}, which is streamed.",
            )
    return bytes(body)


async def _lines(request: Request, limit: int) -> AsyncIterator[tuple[int, bytes]]:
    """Line number and line, as the body arrives."""
    rest, number = bytearray(), 0
    async for part in request.stream():
        rest += part
        *lines, tail = rest.split(b"\n")
        for line in lines:
            number += 1
            yield number, bytes(line)
        if len(tail) > limit:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "line-too-long", f"Line {number + 1} is over {limit:,} bytes."
            )
        rest = bytearray(tail)
    if rest:
        yield number + 1, bytes(rest)


async def _ndjson(lines: AsyncIterator[tuple[int, bytes]]) -> AsyncIterator[RawItem]:
    index = 0
    async for number, line in lines:
        if line.strip():
            yield RawItem(index, _loads(line, f"line {number}", line=number), "", number)
            index += 1


async def _listed(items: Any) -> AsyncIterator[RawItem]:
    if not isinstance(items, list):
        raise _malformed("items must be a list")
    for index, fields in enumerate(items):
        yield RawItem(index, fields, f"/items/{index}")


def _csv(content: str) -> Iterator[RawItem]:
    """Columns id, title, description and image, which is a URL or the name of a file sent along."""
    reader = csv.DictReader(StringIO(content, newline=""), strict=True)
    unknown = [column for column in reader.fieldnames or [] if column not in _CSV_COLUMNS]
    if unknown or not reader.fieldnames:
        raise _malformed(f"a CSV table has the columns {', '.join(_CSV_COLUMNS)}; this one has {reader.fieldnames}")
    try:
        for index, row in enumerate(reader):
            fields: dict[str, Any] = {name: value for name, value in row.items() if value}
            if image := fields.get("image"):
                kind = "url" if str(image).startswith(("http://", "https://")) else "file"
                fields["image"] = {kind: image}
            yield RawItem(index, fields, "", reader.line_num)
    except csv.Error as error:
        raise _malformed(f"line {reader.line_num} of the CSV table: {error}") from error


def _parse_json(body: bytes) -> dict[str, Any]:
    document = _loads(body)
    if isinstance(document, list):
        return {"items": document}
    if not isinstance(document, dict) or "items" not in document:
        raise _malformed('the body must be an object with the member "items"')
    unknown = sorted(set(document) - {"items", "webhook_url"})
    if unknown:
        raise _malformed(f"unknown members: {', '.join(unknown)}")
    return document


def _loads(text: bytes, what: str = "the body", **more: Any) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise _malformed(f"{what} is not JSON: {error}", **more) from error
    except RecursionError:
        raise _malformed(f"{what} is nested too deeply", **more) from None


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _malformed(f"the table is not UTF-8: {error}") from error


def _malformed(detail: str, **more: Any) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "malformed-body", detail[0].upper() + detail[1:] + ".", **more)


async def _async(items: Iterable[T]) -> AsyncIterator[T]:
    for item in items:
        yield item
