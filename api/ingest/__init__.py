"""Turns a request's body into raw items, one at a time and not yet validated.

Every form is read as a stream, so that the process holds one item or picture at a time: pictures wait on disk until the
request is accepted, the table and zips of a multipart body until they can be read.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from api.dependencies import SettingsDep
from api.http.problems import Problem, invalid_request
from api.ingest import multipart
from api.ingest.body import CSV, JSON, MULTIPART, NDJSON, Body
from api.ingest.fingerprint import Fingerprint
from api.ingest.forms import FORMS
from api.ingest.intake import (
    EMPTY,
    Intake,
    Listing,
    Picture,
    PictureRefused,
    RawItem,
    item_limit,
    listed,
    malformed,
    oversize,
)
from api.ingest.json_text import load
from api.ingest.reading_loop import ReadingLoop, ReadingLoopDep, in_turns
from api.ingest.spool import Spool
from shared.settings import Settings
from shared.stores.blobs import blob_name

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

_SMALL = 64 * 1024
"""Bytes of a body that holds options alone."""


async def read(request: Request, settings: Settings, listing: Listing) -> Intake:
    """Begin to read a body; iterating over the intake's items reads the rest.

    Raises:
        Problem: the media type is not accepted, or the body announces that it is too large.
    """
    return _read(_body(request, settings, listing), request, settings, listing)


async def drain(request: Request, settings: Settings, listing: Listing) -> str:
    """Read the body, store nothing, and return the fingerprint that its intake would have.

    Raises:
        Problem: as `read` does, or the body cannot be parsed.
    """
    async with _read(_body(request, settings, listing), request, settings, listing, kept=False) as intake:
        async for _ in intake.items:
            pass
        return intake.fingerprint()


def _read(body: Body, request: Request, settings: Settings, listing: Listing, *, kept: bool = True) -> Intake:
    spool = Spool(settings.max_body_bytes)
    keep = spool.add if kept else blob_name
    # Members of the body replace those of the query.
    query = request.query_params
    options: dict[str, Any] = {name: query[name] for name in listing.options if name in query}
    pictures: dict[str, Picture] = {}
    if body.media_type == MULTIPART:
        items = multipart.items(body, settings, keep, options, pictures, listing)
    else:
        items = FORMS[body.media_type](body.pieces(), item_limit(settings), options, listing)
    content = Fingerprint()
    return Intake(content.over(in_turns(items)), spool, options, pictures, partial(content.of, options, pictures))


def single(fields: Any, settings: Settings) -> Intake:
    """The intake of one item that was not sent as a job."""
    return Intake(listed(fields), Spool(settings.max_body_bytes))


async def json_object(request: Request, limit: int) -> dict[str, Any]:
    """The whole body as a JSON object; raises `Problem`."""
    return _object(await Body(request, limit).whole())


async def small_model(request: Request, model: type[M], *, optional: bool = False) -> M:
    """A small JSON body as the model; an optional one that is empty or `null` as the model's defaults.

    FastAPI would read a body that a route declares before it asks who is calling.

    Raises:
        Problem: the body is too large, of another media type, not JSON, or not what the model asks for.
    """
    body = Body(request, _SMALL)
    text = await body.whole()
    if optional and bytes(text).strip() in (b"", b"null"):
        return model()
    if body.media_type != JSON:
        raise _unsupported(body.media_type, [JSON])
    try:
        return model.model_validate(_object(text))
    except ValidationError as error:
        raise invalid_request([{**entry, "loc": ("body", *entry["loc"])} for entry in error.errors()]) from error


async def small_form(request: Request, limit: int) -> dict[str, str | bytes]:
    """The whole of a multipart body: its fields as text, its files as bytes; raises `Problem`."""
    form: dict[str, str | bytes] = {}
    async for part in multipart.parts(Body(request, limit)):
        if part.name in form:
            raise malformed(f"the field {part.name[:100]!r} occurs twice")
        form[part.name] = await (part.text(limit) if part.filename is None else part.small(limit))
    return form


@dataclass(frozen=True)
class Upload:
    """A request whose body is still to be read."""

    request: Request
    settings: Settings
    reading: ReadingLoop

    async def read(self, listing: Listing, accept: Callable[[Intake], Awaitable[T]]) -> T:
        """What `accept` makes of the body; both run on the loop for reading. Raises as `read` and `accept` do."""

        async def accepted() -> T:
            async with await read(self.request, self.settings, listing) as intake:
                return await accept(intake)

        return await self.reading.run(accepted())

    async def drain(self, listing: Listing) -> str:
        return await self.reading.run(drain(self.request, self.settings, listing))


async def _upload(request: Request, settings: SettingsDep, reading: ReadingLoopDep) -> Upload:
    return Upload(request, settings, reading)


UploadDep = Annotated[Upload, Depends(_upload)]


def _body(request: Request, settings: Settings, listing: Listing) -> Body:
    body = Body(request, settings.max_body_bytes)
    accepted = [*FORMS, *([MULTIPART] if listing.multipart else [])]
    if body.media_type not in accepted:
        raise _unsupported(body.media_type, accepted)
    return body


def _object(text: bytearray) -> dict[str, Any]:
    document = load(text, "the body")
    if not isinstance(document, dict):
        raise malformed("the body must be a JSON object")
    return document


def _unsupported(media_type: str, accepted: Sequence[str]) -> Problem:
    known = " or ".join(filter(None, [", ".join(accepted[:-1]), accepted[-1]]))
    detail = f"The media type {media_type} is not accepted: send {known}."
    return Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)


__all__ = [
    "CSV",
    "EMPTY",
    "JSON",
    "MULTIPART",
    "NDJSON",
    "Intake",
    "Listing",
    "Picture",
    "PictureRefused",
    "RawItem",
    "ReadingLoopDep",
    "Spool",
    "UploadDep",
    "drain",
    "item_limit",
    "json_object",
    "oversize",
    "read",
    "single",
    "small_form",
    "small_model",
]
