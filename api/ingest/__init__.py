"""Turns a request's body into raw items, one at a time and not yet validated.

Every form is read as a stream, so that the process holds one item or picture at a time: pictures wait on disk until the
request is accepted, the table and zips of a multipart body until they can be read.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from api.dependencies import SettingsDep
from api.http.body import CSV, JSON, MULTIPART, NDJSON, Body
from api.http.problems import malformed
from api.http.reading_loop import ReadingLoop, ReadingLoopDep, in_turns
from api.http.small_bodies import unsupported
from api.ingest import multipart
from api.ingest.fingerprint import Fingerprint
from api.ingest.forms import FORMS
from api.ingest.intake import LONGEST_NAME, MOST_OWN_COLUMNS, Intake, Listing, RawItem, item_limit, listed
from api.ingest.pictures import EMPTY, Picture, PictureRefused, SentPictures, oversize
from api.ingest.spool import Spool
from shared.settings import Settings
from shared.stores.blobs import blob_name

T = TypeVar("T")


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
    options: dict[str, Any] = {
        name: listing.read_option(name, query[name]) for name in listing.options if name in query
    }
    pictures = SentPictures()
    if body.media_type == MULTIPART:
        items = multipart.items(body, settings, keep, options, pictures, listing)
    else:
        items = FORMS[body.media_type](body.pieces(), item_limit(settings), options, listing)
    content = Fingerprint()
    return Intake(content.over(in_turns(items)), spool, options, pictures, partial(content.of, options, pictures))


def single(fields: Any, settings: Settings) -> Intake:
    """The intake of one item that was not sent as a job."""
    return Intake(listed(fields), Spool(settings.max_body_bytes))


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
        raise unsupported(body.media_type, accepted)
    return body


__all__ = [
    "CSV",
    "EMPTY",
    "JSON",
    "LONGEST_NAME",
    "MOST_OWN_COLUMNS",
    "MULTIPART",
    "NDJSON",
    "Intake",
    "Listing",
    "Picture",
    "PictureRefused",
    "RawItem",
    "ReadingLoopDep",
    "SentPictures",
    "Spool",
    "UploadDep",
    "drain",
    "item_limit",
    "oversize",
    "read",
    "single",
    "small_form",
]
