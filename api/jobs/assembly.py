"""A job being assembled: items are validated and staged in chunks; it does not exist for clients until opened."""

import asyncio
import re
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Self

from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from api.http.problems import Problem
from api.http.renewal import renew_until_cancelled
from api.ingest import RawItem, SentPictures, Spool
from api.items.images import keep_picture
from api.items.own_columns import OwnColumns, own_columns_of, own_columns_of_invalid
from api.items.schemas import ItemIn
from api.items.validation import InvalidItems, ItemError, check_members, invalid
from shared.ledger import STAGING_S, Ledger, MemoryQuota, Outcome, QueuedItem, Sent
from shared.settings import Settings
from shared.stores.blobs import Blobs
from shared.words import TITLE_LIMIT

_HALF = re.compile("[\ud800-\udfff]")
"""Half a surrogate pair, which cannot be stored."""
_CHUNK_COST = 256
_PICTURE_COST, _TEXT_COST = 16, 1
"""A chunk holds 16 pictures or 256 texts, about a second of work on a CPU, so progress and cancelling are prompt."""
_NOTHING = Sent()
_CHUNK_CHARACTERS = 1_000_000
"""A chunk with more text is staged before it is full: its items are in memory several times while they are packed."""


@dataclass
class JobAssembly:
    """`add` takes an item in; `total` counts all of them, `invalid` holds those that cannot be accepted."""

    settings: Settings
    ledger: Ledger
    memory: MemoryQuota
    spool: Spool | None = None
    """The request's pictures; none for a job whose pictures are in the blob store."""
    pictures: SentPictures = field(default_factory=SentPictures)
    id: str = field(default_factory=Ledger.new_id)
    total: int = 0
    chunks: int = 0
    invalid: InvalidItems = field(default_factory=InvalidItems)
    columns: OwnColumns = field(default_factory=OwnColumns)
    _blobs: set[str] = field(default_factory=set)
    _ids: set[str] = field(default_factory=set)
    _chunk: list[QueuedItem] = field(default_factory=list)
    _sent: dict[int, Sent] = field(default_factory=dict)
    """What belongs to the chunk's items."""
    _cost: int = 0
    _characters: int = 0
    _skipped: list[Outcome] = field(default_factory=list)
    _sent_skipped: dict[int, Sent] = field(default_factory=dict)
    _renewing: asyncio.Task[None] | None = None

    async def add(self, raw: RawItem) -> None:
        """Validate an item and stage it, or note what is wrong with it.

        Raises:
            Problem: there are too many items for one job.
            QuotaExceededError, MemoryFullError: there is no memory for it in Redis.
            OSError: its picture cannot be kept.
        """
        if self.total == self.settings.max_items:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too-many-items",
                f"A job holds at most {self.settings.max_items:,} items: send the rest as another job.",
            )
        self.total += 1
        try:
            check_members(raw.fields)
            item = ItemIn.model_validate(raw.fields)
            item_id = self._item_id(item, raw)
            own = own_columns_of(raw, item.metadata)
            self.columns.add(own or {})
            blob = await self._picture(item)
        except (ValidationError, ItemError) as error:
            wrong = invalid(raw, error)
            self.invalid.add(wrong)
            await self._skip(wrong.outcome(), self._sent_invalid(raw))
        else:
            url = None if item.image is None else item.image.link
            queued = QueuedItem(raw.index, item_id, item.title, item.description, blob, url)
            await self._append(queued, Sent(self._title(raw, item.title), own))

    async def again(self, item: QueuedItem, sent: Sent | None) -> None:
        """Stage an item of an earlier job, at this job's next index, with what belongs to it."""
        self.total += 1
        self.columns.add((sent and sent.metadata) or {})
        await self._append(replace(item, index=self.total - 1), sent)

    async def finish(self, blobs: Blobs) -> None:
        """Store the pictures, and stage the last items and the outcomes of the invalid ones; raises `OSError`."""
        if self.spool is not None:
            await self.spool.store(self._blobs, blobs.put)
        await self._stage()
        await self._stage_skipped()

    async def __aenter__(self) -> Self:
        """From here on what is staged is renewed."""
        renew = partial(self.ledger.keep_staged, self.id, self.memory.tenant)
        self._renewing = asyncio.create_task(renew_until_cancelled(renew, STAGING_S / 4))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Discard what was staged if the request fails; the job is opened after this."""
        if self._renewing is not None:
            self._renewing.cancel()
        if error is not None:
            await run_in_threadpool(self.ledger.discard, self.id, self.memory.tenant)

    async def _picture(self, item: ItemIn) -> str | None:
        if self.spool is None:
            return None
        name = await keep_picture(item.image, self.pictures, self.settings, self.spool)
        if name is not None:
            self._blobs.add(name)
        return name

    def _title(self, raw: RawItem, known: str | None = None) -> str | None:
        """The title as it was sent, if inputs are kept and what is known of the item is another one."""
        title = raw.fields.get("title") if isinstance(raw.fields, dict) and self.settings.keep_inputs else None
        return title if isinstance(title, str) and title != known else None

    def _sent_invalid(self, raw: RawItem) -> Sent:
        own = own_columns_of_invalid(raw)
        try:
            self.columns.add(own or {})
        except ItemError:
            own = None
        title = self._title(raw)
        return Sent(title if title is not None and _is_kept(title) else None, own)

    async def _append(self, item: QueuedItem, sent: Sent | None) -> None:
        self._chunk.append(item)
        if sent is not None and sent != _NOTHING:
            self._sent[item.index] = sent
            self._characters += _characters(sent)
        self._cost += _PICTURE_COST if item.blob or item.url else _TEXT_COST
        self._characters += len(item.title or "") + len(item.description or "")
        if self._cost >= _CHUNK_COST or self._characters >= _CHUNK_CHARACTERS:
            await self._stage()

    async def _stage(self) -> None:
        if self._chunk:
            await run_in_threadpool(self.ledger.stage, self.id, self.chunks, self._chunk, self.memory, self._sent)
            self.chunks, self._chunk, self._cost, self._characters = self.chunks + 1, [], 0, 0
            self._sent = {}

    async def _skip(self, outcome: Outcome, sent: Sent) -> None:
        self._skipped.append(outcome)
        if sent != _NOTHING:
            self._sent_skipped[outcome.index] = sent
        if len(self._skipped) >= _CHUNK_COST:
            await self._stage_skipped()

    async def _stage_skipped(self) -> None:
        if self._skipped:
            await run_in_threadpool(
                self.ledger.stage_invalid, self.id, self.chunks, self._skipped, self.memory, self._sent_skipped
            )
            self.chunks, self._skipped, self._sent_skipped = self.chunks + 1, [], {}

    def _item_id(self, item: ItemIn, raw: RawItem) -> str:
        item_id = item.id or str(raw.index)
        if item_id in self._ids:
            raise ItemError("/id", "duplicate_id", f"the id {item_id!r} occurs twice in this request")
        self._ids.add(item_id)
        return item_id


def _is_kept(title: str) -> bool:
    """Whether an invalid item's title can be given back: it may be what is wrong with it."""
    return len(title) <= TITLE_LIMIT and not _HALF.search(title)


def _characters(sent: Sent) -> int:
    """The text that belongs to an item, about."""
    values = (sent.metadata or {}).values()
    return len(sent.title or "") + sum(len(value) for value in values if isinstance(value, str))
