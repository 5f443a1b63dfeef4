"""What a body of any form is turned into: raw items, options and pictures."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self

from api.http.json_text import load
from api.http.problems import Problem, malformed
from api.ingest.pictures import SentPictures
from api.ingest.spool import Spool
from shared.settings import Settings


@dataclass(frozen=True)
class Listing:
    """What a request lists, and the options it may have beside the list."""

    member: str
    """The list's name in a JSON document or a multipart body."""
    options: tuple[str, ...]
    columns: tuple[str, ...]
    """The columns of a CSV table that are known."""
    content: tuple[str, ...] = ()
    """Those of which a table needs one. If there are any, a table's further columns are the caller's own."""
    multipart: bool = True
    """Whether pictures may be sent as files of their own."""
    objects: tuple[str, ...] = ()
    """Those of the options that are objects, and not single values."""

    def read_option(self, name: str, text: str) -> Any:
        """Return an option that was sent as text, outside JSON; what should be an object and is none stays a text."""
        if name not in self.objects or not text:
            return text
        try:
            return load(bytearray(text.encode()), name)
        except Problem:
            return text


_ITEM_OVERHEAD = 256 * 1024
"""Bytes of an item beside its picture."""
OPTION_LIMIT = 128 * 1024
"""Maximum bytes of an option, or of its name: a job's metadata may take 110 kB, with each character escaped."""
MOST_OWN_COLUMNS, LONGEST_NAME = 256, 200
"""Columns of the caller's own, of all items of a request together, and characters of the name of one."""
_BLANK_LINES = 100_000
"""Maximum blank lines of a table: each costs as much time as a short item."""


@dataclass(frozen=True)
class RawItem:
    index: int
    fields: Any
    pointer: str
    """JSON pointer to the item in the body."""
    line: int | None = None
    """Line in the body or table, from 1; the first one of a record that spans several."""
    own: dict[str, str] | None = None
    """The cells of a table's own columns, as they are."""


@dataclass(frozen=True)
class Intake:
    """A request's body while it is read; close it (`async with`) when no more items are wanted.

    Iterating over `items` reads the body. It raises `Problem` for a body that cannot be parsed, `ClientDisconnect` when
    the client disconnects, and `OSError` when the disk or the blob store is full.
    """

    items: AsyncGenerator[RawItem, None]
    spool: Spool
    """The pictures that came as files; those in items are added."""
    options: dict[str, Any] = field(default_factory=dict)
    """By the names that the listing allows, not yet validated; complete when `items` is exhausted."""
    pictures: SentPictures = field(default_factory=SentPictures)
    """Complete before the first item."""
    identify: Callable[[], str] | None = None

    def fingerprint(self) -> str:
        """Identifies the request's content (`fingerprint.py`); raises `RuntimeError` before `items` is exhausted."""
        if self.identify is None:
            raise RuntimeError("this intake has no body")
        return self.identify()

    async def aclose(self) -> None:
        await self.items.aclose()
        self.spool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def item_limit(settings: Settings) -> int:
    """Maximum bytes of one item in a body: a picture in base64, and its texts."""
    return settings.max_image_bytes * 4 // 3 + _ITEM_OVERHEAD


def too_large(kind: str, detail: str, **more: Any) -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, kind, detail, **more)


class BlankLines:
    """Counts the lines that are skipped."""

    def __init__(self) -> None:
        self._count = 0

    def skip(self, number: int) -> None:
        """Count a blank line; raises `Problem` when there are too many."""
        self._count += 1
        if self._count > _BLANK_LINES:
            raise malformed(f"line {number} is blank, like {_BLANK_LINES:,} before it: leave them out", line=number)


async def listed(fields: Any) -> AsyncGenerator[RawItem, None]:
    yield RawItem(0, fields, "/items/0")
