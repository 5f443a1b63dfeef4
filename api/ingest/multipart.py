"""A multipart body: a table and its pictures, as parts of their own or in zips."""

import asyncio
import re
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator
from dataclasses import dataclass
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Self

from fastapi.concurrency import iterate_in_threadpool, run_in_threadpool
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from api.http.body import CSV, JSON, NDJSON, Body
from api.http.problems import Problem, malformed
from api.ingest.archive import SIGNATURE, ArchiveFile, ZipEntry, read_entries
from api.ingest.file_names import header_text, sent_name
from api.ingest.forms import FORMS
from api.ingest.intake import OPTION_LIMIT, Listing, RawItem, item_limit, too_large
from api.ingest.pictures import EMPTY, Picture, PictureRefused, SentPictures, oversize
from shared.file_names import FilePath
from shared.settings import Settings

_SUFFIXES = {".json": JSON, ".ndjson": NDJSON, ".jsonl": NDJSON, ".csv": CSV}
_ZIPS = ("application/zip", "application/x-zip-compressed")
_SNIFFED = 1024
"""How many bytes of a table without a name or type are looked at to tell its form."""
_TABLE_IN_MEMORY = 1024**2
_PIECE = 64 * 1024
_SHOWN = 200
"""Characters of a table's name that a message shows."""
_NAMES_LIMIT = 16 * 1024**2
"""Maximum characters of all pictures' names, which stay in memory until the table has been read."""
_FURTHER_PARTS = 100
"""Parts of a body beside its pictures: the table, options, zips, and files that were not chosen."""
_FORM_PARTS = 16
"""Maximum parts of a form."""


@dataclass(frozen=True)
class Part:
    """A part of the body, to be read to its end before the next one."""

    segment: MultipartSegment
    _events: AsyncIterator[MultipartSegment | bytes | None]

    @property
    def name(self) -> str:
        return header_text(self.segment.name)

    @property
    def filename(self) -> str | None:
        name: str | None = self.segment.filename
        disposition = header_text(self.segment.header("Content-Disposition", ""))
        return sent_name(disposition, None if name is None else header_text(name))

    @property
    def content_type(self) -> str | None:
        content_type: str | None = self.segment.content_type
        return content_type

    async def pieces(self) -> AsyncIterator[bytes]:
        async for event in self._events:
            if not isinstance(event, bytes):
                break
            yield event

    async def small(self, limit: int) -> bytes:
        """The whole content; raises `Problem` if it is over the limit."""
        content = bytearray()
        async for piece in self.pieces():
            content += piece
            if len(content) > limit:
                raise too_large("field-too-long", f"The field {self.name[:100]!r} is over {limit:,} bytes.")
        return bytes(content)

    async def text(self, limit: int) -> str:
        try:
            return (await self.small(limit)).decode()
        except UnicodeDecodeError as error:
            raise malformed(f"the field {self.name[:100]!r} is not UTF-8") from error


async def parts(body: Body, limit: int = _FORM_PARTS) -> AsyncIterator[Part]:
    """The body's parts, in order; raises `Problem` for a body that is not multipart or ends too early.

    Args:
        limit: Maximum number of parts.
    """
    events, found = _events(body), 0
    async for event in events:
        if isinstance(event, MultipartSegment):
            found += 1
            if found > limit:
                raise too_large("too-many-parts", f"The multipart body has more than {limit:,} parts.")
            yield Part(event, events)


async def _events(body: Body) -> AsyncIterator[MultipartSegment | bytes | None]:
    boundary = parse_options_header(body.content_type)[1].get("boundary")
    if not boundary:
        raise malformed("the Content-Type header names no boundary between the parts")
    try:
        # Names may be in any encoding: Latin-1 reads any bytes, which `header_text` then looks at.
        with PushMultipartParser(boundary.encode("latin-1"), header_charset="latin-1") as parser:
            async for piece in body.pieces():
                for event in parser.parse(piece):
                    yield event
    except MultipartError as error:
        raise malformed(f"the multipart body cannot be parsed: {error.args[0]}") from error


async def items(
    body: Body,
    settings: Settings,
    keep: Callable[[bytes], str],
    options: dict[str, Any],
    pictures: SentPictures,
    listing: Listing,
) -> AsyncGenerator[RawItem, None]:
    """The raw items of the table, which is read after all parts have arrived, because it may precede its pictures.

    Args:
        keep: Stores a picture and returns its sha256.
        options: Filled from the simple fields.
        pictures: Filled with the pictures, before the first item.
    """
    with _Table() as sent, _Table() as zipped:
        form = _Form(settings, keep, options, pictures, listing, sent, zipped)
        async for part in parts(body, _most_parts(settings)):
            await form.take(part)
        table = form.table()
        table.file.seek(0)
        parse = FORMS[_media_type(table, listing)]
        async for item in parse(_read(table.file), item_limit(settings), options, listing):
            yield item


def _most_parts(settings: Settings) -> int:
    """How many parts a body with a table and pictures may have."""
    return settings.max_items + _FURTHER_PARTS


class _Table:
    """A table on disk, unless it is small, under the name and content type that it was sent with."""

    def __init__(self) -> None:
        self.file = SpooledTemporaryFile[bytes](_TABLE_IN_MEMORY)
        self.names: list[str] = []
        """Its name; a second one if it is not the only table."""
        self.content_type: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


class _Form:
    """The parts of one body."""

    def __init__(
        self,
        settings: Settings,
        keep: Callable[[bytes], str],
        options: dict[str, Any],
        pictures: SentPictures,
        listing: Listing,
        sent: _Table,
        zipped: _Table,
    ) -> None:
        self._sent = sent
        """The table in the field for it."""
        self._zipped = zipped
        """The first table in a zip, which counts if the field is missing."""
        self._settings = settings
        self._store = keep
        self._options = options
        self._pictures = pictures
        self._listing = listing
        self._fields: set[str] = set()
        self._room = settings.max_body_bytes
        """Bytes that may still come out of zips."""
        self._names = 0
        """Characters of the pictures' names."""

    async def take(self, part: Part) -> None:
        filename = part.filename
        if part.name == self._listing.member:
            self._once(part.name)
            self._sent.names, self._sent.content_type = [filename or ""], part.content_type
            async for piece in part.pieces():
                self._sent.file.write(piece)
        elif filename is None:
            if part.name not in self._listing.options:
                raise self._unknown(part.name)
            self._once(part.name)
            self._options[part.name] = self._listing.read_option(part.name, await part.text(OPTION_LIMIT))
        elif filename.lower().endswith(".zip") or part.content_type in _ZIPS:
            await self._archive(part)
        else:
            await self._picture(part, FilePath.of(filename))

    def table(self) -> _Table:
        """Return the table that lists the items; raises `Problem` if there is none, or more than one in zips."""
        if self._sent.names:
            return self._sent
        if len(self._zipped.names) > 1:
            first, second = self._zipped.names
            raise malformed(
                f"the zip has several tables, such as {first!r} and {second!r}: "
                f"leave one, or send it in the field {self._listing.member}"
            )
        if not self._zipped.names:
            raise malformed(
                f"the multipart body has no field named {self._listing.member}, and no zip in it has a table"
            )
        return self._zipped

    def _once(self, field: str) -> None:
        if field in self._fields:
            raise malformed(f"the field {field!r} occurs twice")
        self._fields.add(field)

    async def _picture(self, part: Part, path: FilePath) -> None:
        if path.is_junk and path.parts:
            return
        limit = self._settings.max_image_bytes
        content, size = BytesIO(), 0
        async for piece in part.pieces():
            size += len(piece)
            if size <= limit:
                content.write(piece)
        if path.parts:
            picture = content.getvalue() if size <= limit else oversize(size, limit)
            await run_in_threadpool(self._keep, path, picture)
        elif size:  # an empty one comes from a browser's form in which no file was chosen
            raise malformed(f"a picture in the field {part.name[:100]!r} has no file name")

    async def _archive(self, part: Part) -> None:
        with ArchiveFile() as file:
            entries, before = 0, b""
            async for piece in part.pieces():
                file.write(piece)
                # Counted before `zipfile` makes an object of each entry.
                entries += (before + piece).count(SIGNATURE)
                if entries > self._settings.max_items:
                    raise self._too_many()
                before = (before + piece)[1 - len(SIGNATURE) :]
            async for _ in iterate_in_threadpool(self._entries(file)):
                pass

    def _is_read(self, path: FilePath, size: int) -> bool:
        return size <= self._settings.max_image_bytes or self._may_be_table(path)

    def _may_be_table(self, path: FilePath) -> bool:
        return not self._sent.names and path.parts[-1].lower().endswith(tuple(_SUFFIXES))

    def _entries(self, file: ArchiveFile) -> Iterator[None]:
        """Take the entries, one for each step: going to a thread and back costs more than a small entry."""
        for entry in read_entries(file, self._room, self._is_read):
            self._entry(entry)
            yield

    def _entry(self, entry: ZipEntry) -> None:
        limit = self._settings.max_image_bytes
        if self._may_be_table(entry.path):
            self._zipped.names = [*self._zipped.names[:1], str(entry.path)[:_SHOWN]]
            if len(self._zipped.names) == 1:
                self._room -= entry.size
                entry.copy_to(self._zipped.file)
        elif entry.size > limit:
            self._keep(entry.path, oversize(entry.size, limit), entry.readings)
        else:
            self._room -= entry.size
            self._keep(entry.path, entry.content(), entry.readings)

    def _keep(self, path: FilePath, content: bytes | PictureRefused, readings: Collection[FilePath] = ()) -> None:
        if len(self._pictures) >= self._settings.max_items:
            raise self._too_many()
        self._names += sum(len(str(name)) for name in (path, *readings))
        if self._names > _NAMES_LIMIT:
            raise too_large("names-too-long", f"The names of the pictures have over {_NAMES_LIMIT:,} characters.")
        if not isinstance(content, PictureRefused):
            picture: Picture = self._store(content) if content else EMPTY
        else:
            picture = content
        self._pictures.add(path, picture, readings)

    def _unknown(self, name: str) -> Problem:
        known = f"{self._listing.member}, {', '.join(self._listing.options)}"
        return malformed(f"unknown field {name[:100]!r}: the known ones are {known}")

    def _too_many(self) -> Problem:
        detail = f"A job takes at most {self._settings.max_items:,} pictures: send the rest with another job."
        return too_large("too-many-pictures", detail)


def _media_type(table: _Table, listing: Listing) -> str:
    """The table's form, by its file name, its content type or its first bytes."""
    name = table.names[0].lower()
    for suffix, media_type in _SUFFIXES.items():
        if name.endswith(suffix):
            return media_type
    for media_type in FORMS:
        if table.content_type == media_type:
            return media_type
    begin = table.file.read(_SNIFFED).removeprefix(BOM_UTF8)
    table.file.seek(0)
    members = "|".join((listing.member, *listing.options)).encode()
    return JSON if re.match(rb'\s*(?:\[|\{\s*"(?:' + members + rb')"\s*:)', begin) else NDJSON


async def _read(file: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece
        await asyncio.sleep(0)  # others have their turn, and a cancelled request ends
