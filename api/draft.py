"""A job while its items are still coming in: checked, staged in chunks, and nothing a job until it is opened."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from api.ingest import EMPTY, PictureRefused, RawItem, oversize
from api.problems import Problem, pointer_to
from api.schemas import ImageIn, ItemIn
from shared.blobs import Blobs
from shared.ledger import ItemStatus, Ledger, Outcome, QueuedItem
from shared.settings import Settings

_CHUNK_COST = 256
_PICTURE_COST, _TEXT_COST = 16, 1
"""A chunk holds 16 pictures or 256 texts: about a second of work on a CPU, so that progress and cancelling are live."""

_SHOWN_ERRORS = 3
"""Of one item."""
_SHOWN_LENGTH = 300
"""Of a pointer or a detail: they may quote what was sent, and are in memory until all items are read."""


class _ItemError(ValueError):
    """What is wrong with one item's id or picture, and where below the item."""

    def __init__(self, pointer: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer
        self.code = code


@dataclass(frozen=True, slots=True)
class Invalid:
    """An item that cannot be accepted."""

    index: int
    id: str | None
    line: int | None
    errors: tuple[tuple[str, str, str], ...]
    """Pointer, code and detail of each thing that is wrong."""

    def entries(self) -> Iterator[dict[str, Any]]:
        """As members of a problem document's `errors`."""
        where = {name: value for name, value in (("line", self.line), ("id", self.id)) if value is not None}
        for pointer, code, detail in self.errors:
            yield {"index": self.index, "pointer": pointer, "code": code, "detail": detail, **where}

    def outcome(self) -> Outcome:
        """As what became of an item that was skipped."""
        return Outcome(
            self.index,
            self.id or str(self.index),
            ItemStatus.INVALID,
            error="invalid_item",
            message="; ".join(detail for _, _, detail in self.errors),
            pointer=self.errors[0][0],
            line=self.line,
        )


@dataclass
class Draft:
    """Items go in by `add`; `total` counts all, `invalid` holds those that are wrong."""

    settings: Settings
    ledger: Ledger
    blobs: Blobs
    pictures: Mapping[str, str | PictureRefused] = field(default_factory=dict)
    id: str = field(default_factory=Ledger.new_id)
    total: int = 0
    chunks: int = 0
    invalid: list[Invalid] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _chunk: list[QueuedItem] = field(default_factory=list)
    _cost: int = 0

    async def add(self, raw: RawItem) -> None:
        """Check an item and stage it, or note what is wrong with it.

        Raises:
            Problem: there are too many items for one job.
            OSError: its picture cannot be kept.
        """
        if self.total == self.settings.max_items:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too-many-items",
                f"A job takes at most {self.settings.max_items:,} items: send the rest as another job.",
            )
        self.total += 1
        try:
            item = ItemIn.model_validate(raw.fields)
            identifier = self._identifier(item, raw)
            blob = await self._blob(item.image)
        except ValidationError as error:
            entries = [
                (pointer_to(entry["loc"]), entry["type"], entry["msg"].removeprefix("Value error, "))
                for entry in error.errors(include_url=False, include_context=False, include_input=False)
            ]
            self.invalid.append(_invalid(raw, entries))
        except _ItemError as error:
            self.invalid.append(_invalid(raw, [(error.pointer, error.code, str(error))]))
        else:
            url = str(item.image.url) if item.image is not None and item.image.url is not None else None
            queued = QueuedItem(raw.index, identifier, item.title, item.description, blob, url)
            await self._put(queued)

    async def again(self, item: QueuedItem) -> None:
        """Stage an item that was accepted before, at this job's next place."""
        self.total += 1
        await self._put(replace(item, index=self.total - 1))

    async def finish(self) -> None:
        """Stage the rest, and the outcomes of the items that are skipped."""
        await self._stage()
        for start in range(0, len(self.invalid), _CHUNK_COST):
            outcomes = [invalid.outcome() for invalid in self.invalid[start : start + _CHUNK_COST]]
            await run_in_threadpool(self.ledger.stage_invalid, self.id, self.chunks, outcomes)
            self.chunks += 1

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What was staged is forgotten when the request fails; opening the job comes after this."""
        if error is not None:
            await run_in_threadpool(self.ledger.discard, self.id)

    async def _put(self, item: QueuedItem) -> None:
        self._chunk.append(item)
        self._cost += _PICTURE_COST if item.blob or item.url else _TEXT_COST
        if self._cost >= _CHUNK_COST:
            await self._stage()

    async def _stage(self) -> None:
        if self._chunk:
            await run_in_threadpool(self.ledger.stage, self.id, self.chunks, self._chunk)
            self.chunks, self._chunk, self._cost = self.chunks + 1, [], 0

    def _identifier(self, item: ItemIn, raw: RawItem) -> str:
        identifier = item.id or str(raw.index)
        if identifier in self._seen:
            raise _ItemError("/id", "duplicate_id", f"the id {identifier!r} occurs twice in this job")
        self._seen.add(identifier)
        return identifier

    async def _blob(self, image: ImageIn | None) -> str | None:
        """The name of the picture that came with the request, if any."""
        if image is None or image.url is not None:
            return None
        if image.file is not None:
            picture = self.pictures.get(image.file)
            if picture is None:
                raise _ItemError("/image/file", "file_missing", f"no file named {image.file!r} was sent along")
            if isinstance(picture, PictureRefused):
                raise _ItemError("/image/file", "image_refused", picture.detail)
            return picture
        data = _decode_base64(image.base64 or "")
        limit = self.settings.max_image_bytes
        if not data:
            raise _ItemError("/image/base64", "image_refused", EMPTY.detail)
        if len(data) > limit:
            raise _ItemError("/image/base64", "image_refused", oversize(len(data), limit).detail)
        return await run_in_threadpool(self.blobs.put, data)


def error_entries(invalid: Iterable[Invalid]) -> Iterator[dict[str, Any]]:
    return (entry for item in invalid for entry in item.entries())


def _invalid(raw: RawItem, entries: list[tuple[str, str, str]]) -> Invalid:
    """Named by position, line and id, as far as they are known."""
    identifier = None
    if isinstance(raw.fields, dict) and raw.fields.get("id") is not None:
        identifier = str(raw.fields["id"])[:128]
    shown = entries[:_SHOWN_ERRORS]
    errors = [(_shortened(raw.pointer + pointer), code, _shortened(detail)) for pointer, code, detail in shown]
    if len(entries) > _SHOWN_ERRORS:
        errors.append((raw.pointer, "more_errors", f"and {len(entries) - _SHOWN_ERRORS} more errors in this item"))
    return Invalid(raw.index, identifier, raw.line, tuple(errors))


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "…"


def _decode_base64(text: str) -> bytes:
    content = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(content, validate=True)
    except ValueError as error:
        raise _ItemError("/image/base64", "not_base64", f"not base64: {error}") from None
