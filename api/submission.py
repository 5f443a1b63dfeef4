"""Accept a job: all of it or nothing."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from celery import Celery
from fastapi.concurrency import run_in_threadpool
from pydantic import HttpUrl, TypeAdapter, ValidationError
from starlette.datastructures import UploadFile

from api.ingest import Intake, RawItem
from api.problems import Problem
from api.schemas import ImageIn, ItemIn
from shared.blobs import Blobs
from shared.ledger import Job, Ledger, QueuedItem
from shared.queues import Lane, wake
from shared.settings import Settings

_SHOWN_ERRORS = 100
_CHUNK_COST = 256
_PICTURE_COST, _TEXT_COST = 16, 1
"""A chunk holds 16 pictures or 256 texts: about a second of work on a CPU, so that progress and cancelling are live."""

_PASSING_S = 3600

_URL = TypeAdapter(HttpUrl)


class _ItemError(ValueError):
    """What is wrong with one item's picture, and where below the item."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer


@dataclass
class _Draft:
    """A job while its body is still being read."""

    id: str
    files: Mapping[str, UploadFile]
    seen: set[str] = field(default_factory=set)
    chunk: list[QueuedItem] = field(default_factory=list)
    cost: int = 0
    chunks: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    wrong: int = 0
    total: int = 0


class Submissions:
    def __init__(self, settings: Settings, ledger: Ledger, blobs: Blobs, queue: Celery) -> None:
        self._settings = settings
        self._ledger = ledger
        self._blobs = blobs
        self._queue = queue

    async def accept(self, intake: Intake, *, passing: bool = False) -> Job:
        """Check and keep every item, then open the job.

        Args:
            passing: The answer is awaited in this very request: kept for an hour, and no run of its own in MLflow.

        Raises:
            Problem: an item is wrong (each is named), there is none, there are too many, or the webhook cannot be used.
        """
        webhook_url = self._webhook_url(intake.webhook_url)
        draft = _Draft(self._ledger.new_id(), intake.files)
        try:
            async for raw in intake.items:
                await self._add(draft, raw)
            self._check(draft)
            await self._stage(draft)
        except BaseException:
            await run_in_threadpool(self._ledger.discard, draft.id)
            raise
        return await run_in_threadpool(self._open, draft, webhook_url, passing)

    def _open(self, draft: _Draft, webhook_url: str | None, passing: bool) -> Job:
        lane = Lane.INTERACTIVE if draft.total <= self._settings.interactive_items else Lane.BULK
        self._ledger.open(
            draft.id,
            total=draft.total,
            chunks=draft.chunks,
            lane=lane,
            webhook_url=webhook_url,
            keep_s=_PASSING_S if passing else None,
            tracked=not passing,
        )
        wake(self._queue, lane, min(draft.chunks, self._settings.bulk_slots))
        return self._ledger.job(draft.id)

    async def _add(self, draft: _Draft, raw: RawItem) -> None:
        draft.total += 1
        if draft.total > self._settings.max_items:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too-many-items",
                f"A job takes at most {self._settings.max_items:,} items: send the rest as another job.",
            )
        try:
            item = ItemIn.model_validate(raw.fields)
            identifier = item.id or str(raw.index)
            if identifier in draft.seen:
                raise _ItemError("/id", f"the id {identifier!r} occurs twice in this job")
            draft.seen.add(identifier)
            picture = await self._picture(item.image, draft.files)
        except ValidationError as error:
            for entry in error.errors(include_url=False):
                pointer = "".join(f"/{part}" for part in entry["loc"])
                _note(draft, raw, pointer, entry["msg"].removeprefix("Value error, "))
            draft.wrong += 1
            return
        except _ItemError as error:
            _note(draft, raw, error.pointer, str(error))
            draft.wrong += 1
            return
        if draft.wrong:  # the job is refused anyway: what follows is only checked
            return
        blob = None if picture is None else await run_in_threadpool(self._blobs.put, picture)
        url = str(item.image.url) if item.image is not None and item.image.url is not None else None
        draft.chunk.append(QueuedItem(raw.index, identifier, item.title, item.description, blob, url))
        draft.cost += _PICTURE_COST if item.image is not None else _TEXT_COST
        if draft.cost >= _CHUNK_COST:
            await self._stage(draft)

    async def _picture(self, image: ImageIn | None, files: Mapping[str, UploadFile]) -> bytes | None:
        """The bytes that came with the request, if any."""
        if image is None or image.url is not None:
            return None
        if image.file is not None:
            if image.file not in files:
                raise _ItemError("/image/file", f"no file named {image.file!r} was sent along")
            data, pointer = await files[image.file].read(), "/image/file"
            await files[image.file].seek(0)
        else:
            data, pointer = _decode_base64(image.base64 or ""), "/image/base64"
        if not data:
            raise _ItemError(pointer, "the picture is empty")
        if len(data) > self._settings.max_image_bytes:
            raise _ItemError(pointer, f"the picture has {len(data):,} bytes, over {self._settings.max_image_bytes:,}")
        return data

    async def _stage(self, draft: _Draft) -> None:
        if draft.chunk:
            await run_in_threadpool(self._ledger.stage, draft.id, draft.chunks, draft.chunk)
            draft.chunks, draft.chunk, draft.cost = draft.chunks + 1, [], 0

    def _check(self, draft: _Draft) -> None:
        if draft.wrong:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "invalid-items",
                f"{draft.wrong} of {draft.total} items are wrong, so none was accepted: correct them and send again.",
                errors=draft.errors,
            )
        if not draft.total:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "no-items", "The request holds no items.")

    def _webhook_url(self, given: Any) -> str | None:
        if given in (None, ""):
            return None
        try:
            url = str(_URL.validate_python(given))
        except ValidationError:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-webhook-url", f"webhook_url is no http(s) URL: {given!r}."
            ) from None
        if self._settings.webhook_secret is None:
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "webhooks-not-configured",
                "This service has no webhook signing secret (CATALOG_WEBHOOK_SECRET): poll the job instead.",
            )
        return url


def _note(draft: _Draft, raw: RawItem, pointer: str, detail: str) -> None:
    """Name the item by its position, line and id, as far as they are known."""
    if len(draft.errors) >= _SHOWN_ERRORS:
        return
    where: dict[str, Any] = {"index": raw.index, "pointer": raw.pointer + pointer, "detail": detail}
    if raw.line is not None:
        where["line"] = raw.line
    if isinstance(raw.fields, dict) and "id" in raw.fields:
        where["id"] = str(raw.fields["id"])[:128]
    draft.errors.append(where)


def _decode_base64(text: str) -> bytes:
    content = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(content, validate=True)
    except ValueError as error:
        raise _ItemError("/image/base64", f"not base64: {error}") from None
