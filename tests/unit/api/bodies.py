"""Requests with a body, as a server hands them to the API: in pieces."""

import asyncio
import csv
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO, StringIO
from itertools import cycle
from typing import Any

from fastapi import Request
from hypothesis import strategies as st
from starlette.types import Message

from api import ingest
from api.http.problems import Problem
from api.ingest import Picture, RawItem
from api.jobs.listing import ITEMS
from shared.settings import Settings

BOUNDARY = "a-boundary-that-no-content-holds"
SETTINGS = Settings(max_image_bytes=30_000, max_body_bytes=1_000_000, max_items=50)
JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"

Field = tuple[str, str | None, bytes]
"""Name, file name and content of a part."""


@dataclass(frozen=True)
class Taken:
    items: list[RawItem]
    options: Mapping[str, Any]
    pictures: Mapping[str, Picture]
    fingerprint: str
    contents: Mapping[str, bytes]
    """The pictures that were kept, by their sha256."""


def multipart(fields: Iterable[Field], boundary: str = BOUNDARY) -> tuple[bytes, str]:
    """Body and content type."""
    body = b""
    for name, filename, content in fields:
        told = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
        body += f"--{boundary}\r\nContent-Disposition: {told}\r\n\r\n".encode() + content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def zipped(files: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED, year: int = 2026) -> bytes:
    """An archive in which every file was last changed at the beginning of the year."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), data, method)
    return content.getvalue()


def csv_table(rows: Sequence[Mapping[str, str]], columns: Sequence[str], **dialect: Any) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, columns, **dialect)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def ndjson(items: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def cut(body: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Pieces of these sizes, over and over."""
    at = 0
    for size in cycle(sizes):
        yield body[at : at + size]
        at += size
        if at >= len(body):
            return


def request(
    pieces: Iterable[bytes],
    content_type: str = JSON,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    *,
    cut_off: bool = False,
) -> Request:
    """A client that is cut off leaves instead of ending its body."""
    source = iter(pieces)

    async def receive() -> Message:
        piece = next(source, None)
        if piece is None and cut_off:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    sent = {"content-type": content_type, **(headers or {})}
    return Request(
        {
            "type": "http",
            "method": "POST",
            "path": "/v1/jobs",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
        },
        receive,
    )


async def _taking(sent: Request, settings: Settings) -> Taken:
    async with await ingest.read(sent, settings, ITEMS) as intake:
        items = [item async for item in intake.items]
        kept = [picture for picture in intake.pictures.values() if isinstance(picture, str)]
        contents = {name: intake.spool.get(name) for name in kept}
        return Taken(items, intake.options, intake.pictures, intake.fingerprint(), contents)


async def _counting(sent: Request, settings: Settings) -> tuple[int, int]:
    async with await ingest.read(sent, settings, ITEMS) as intake:
        return sum([1 async for _ in intake.items]), len(intake.pictures)


def counting(sent: Request, settings: Settings) -> tuple[int, int]:
    """How many items and pictures; holds none of them."""
    return asyncio.run(_counting(sent, settings))


def take(sent: Request, settings: Settings) -> Taken:
    return asyncio.run(_taking(sent, settings))


def drain(sent: Request, settings: Settings) -> str:
    return asyncio.run(ingest.drain(sent, settings, ITEMS))


def damaged(body: bytes) -> st.SearchStrategy[bytes]:
    """With a slice replaced."""
    places, gone, new = st.integers(0, len(body)), st.integers(0, 9), st.binary(max_size=9)
    return st.builds(lambda at, gone, new: body[:at] + new + body[at + gone :], places, gone, new)


@contextmanager
def suppress_problem(*statuses: int) -> Iterator[None]:
    """Suppress problems with these statuses and no others."""
    try:
        yield
    except Problem as error:
        if error.response("/").status_code not in statuses:
            raise
