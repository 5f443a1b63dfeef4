"""What every form of body comes down to."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Self

from api.http.problems import Problem
from api.ingest.body import Body
from api.jobs.schemas import JobOptions
from shared.settings import Settings

OPTIONS = tuple(JobOptions.model_fields)
"""What a job can be told beside its items."""


@dataclass(frozen=True)
class Listing:
    """What a request lists, and what it may say beside that."""

    member: str
    """Of a JSON document."""
    options: tuple[str, ...]
    columns: tuple[str, ...]
    """Of a CSV table."""
    multipart: bool = True
    """Whether pictures may come as files of their own."""


ITEMS = Listing("items", OPTIONS, ("id", "title", "description", "image"))
LABELS = Listing(
    "labels",
    ("on_invalid",),
    ("title", "description", "image", "job_id", "item_id", "code", "by", "at"),
    multipart=False,
)

_ITEM_OVERHEAD = 256 * 1024


@dataclass(frozen=True)
class RawItem:
    index: int
    fields: Any
    pointer: str
    """JSON pointer to the item in the body."""
    line: int | None = None
    """In the body or table, from 1; of a record over several lines the first."""


@dataclass(frozen=True)
class PictureRefused:
    """A picture that came with the request and was not kept."""

    detail: str


def oversize(size: int, limit: int) -> PictureRefused:
    return PictureRefused(f"the picture has {size:,} bytes, over {limit:,}")


EMPTY = PictureRefused("the picture is empty")

Picture = str | PictureRefused
"""The sha256 under which the blob store has it, or why it has not."""


@dataclass(frozen=True)
class Intake:
    """A request's body while it is read; close it (`async with`) when no more items are wanted.

    `items` does the reading. It raises `Problem` for a body that cannot be parsed, `ClientDisconnect` when the client
    goes, and `OSError` when the disk or the blob store is full.
    """

    items: AsyncGenerator[RawItem, None]
    options: dict[str, Any] = field(default_factory=dict)
    """By the names in `OPTIONS` and not yet checked; complete when `items` is exhausted."""
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    """By the name under which an item's `image.file` refers to it; complete before the first item."""
    body: Body | None = None

    def fingerprint(self) -> str:
        """Equal for a request that is sent again; raises `RuntimeError` before `items` is exhausted."""
        if self.body is None:
            raise RuntimeError("this intake has no body")
        return self.body.fingerprint()

    async def aclose(self) -> None:
        await self.items.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def item_limit(settings: Settings) -> int:
    """Bytes of one item in a body: a picture in base64, and its texts."""
    return settings.max_image_bytes * 4 // 3 + _ITEM_OVERHEAD


def malformed(detail: str, **more: Any) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, "malformed-body", detail[0].upper() + detail[1:] + ".", **more)


def too_large(kind: str, detail: str, **more: Any) -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, kind, detail, **more)


async def listed(fields: Any) -> AsyncGenerator[RawItem, None]:
    yield RawItem(0, fields, "/items/0")
