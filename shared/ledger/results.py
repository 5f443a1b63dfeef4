"""Reading a job's outcomes."""

import re
from collections.abc import Collection, Iterator

from redis import Redis

from shared.ledger.records import Job, KnownItem, Outcome, Page, QueuedItem, unpack_items, unpack_outcomes
from shared.ledger.scripts import job_key
from shared.ledger.states import ItemStatus, JobState
from shared.redis_access import in_bytes

_START = "0.0"
_CURSOR = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})")
_CHUNKS_A_PAGE = 200
"""A page ends after so many chunks even where few of their outcomes were asked for."""

_NEVER_DONE = {
    ItemStatus.CANCELLED: "the job ended before this item's turn",
    ItemStatus.EXPIRED: "the job's deadline came before this item's turn",
}


class CursorError(ValueError):
    """A cursor that this ledger never gave out."""


class ResultsGoneError(LookupError):
    """The results were kept long enough; they went while they were being read."""


class Results:
    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)

    def page(self, job: Job, cursor: str | None = None, limit: int = 1000, status: ItemStatus | None = None) -> Page:
        """Outcomes behind `cursor`, in the order of their commit, also while the job runs.

        Items that were never done come last, once the job has ended.

        Args:
            job: As it was read before: what is committed later may be on the page, but never makes it `complete`.

        Raises:
            CursorError: `cursor` is none of this ledger's.
            ResultsGoneError: the job ended so long ago that they are no longer there.
        """
        position, offset = _parse(cursor or _START)
        outcomes: list[tuple[str, Outcome]] = []
        for _ in range(_CHUNKS_A_PAGE):
            if len(outcomes) >= limit:
                break
            chunk = self._redis.lindex(job_key(job.id, "order"), position)
            if chunk is None:
                if job.ended and position < job.chunks:
                    raise ResultsGoneError(job.id)
                return Page(outcomes, f"{position}.{offset}", complete=job.ended)
            if (read := self._chunk(job, chunk.decode())) is None:
                return Page(outcomes, f"{position}.{offset}", complete=False)
            bundle, found = read
            while offset < len(found) and len(outcomes) < limit:
                if status is None or found[offset].status is status:
                    outcomes.append((bundle, found[offset]))
                offset += 1
            if offset >= len(found):
                position, offset = position + 1, 0
        behind = self._redis.llen(job_key(job.id, "order")) > position
        return Page(outcomes, f"{position}.{offset}", complete=job.ended and not behind)

    def pages(
        self, job: Job, cursor: str | None = None, limit: int = 1000, status: ItemStatus | None = None
    ) -> Iterator[Page]:
        """All that is there; each page may be read as it comes."""
        while True:
            page = self.page(job, cursor, limit, status)
            yield page
            if page.complete or page.cursor == cursor:
                return
            cursor = page.cursor

    def retryable(self, job: Job, statuses: frozenset[ItemStatus]) -> Iterator[QueuedItem]:
        """Yield the items of an ended job that failed or were never done, chunk by chunk.

        Raises:
            ResultsGoneError: The job's items expired while they were being read.
        """
        results = job_key(job.id, "results")
        rest = _rest(job)
        for chunk in sorted(self._redis.hkeys(job_key(job.id, "input")), key=int):
            status = ItemStatus.FAILED if self._redis.hexists(results, chunk) else rest
            if status in statuses:
                if (packed := self._redis.hget(job_key(job.id, "input"), chunk)) is None:
                    raise ResultsGoneError(job.id)
                yield from unpack_items(packed)

    def known(self, job: Job, ids: Collection[str]) -> dict[str, KnownItem]:
        """What there is of the items with these ids: those with an outcome by now, but skipped ones."""
        wanted, found = set(ids), dict[str, KnownItem]()
        for position in range(self._redis.llen(job_key(job.id, "order"))):
            if len(found) == len(wanted):
                break
            chunk = self._redis.lindex(job_key(job.id, "order"), position)
            if chunk is None or (read := self._chunk(job, chunk.decode())) is None:
                break
            bundle, outcomes = read
            if outcomes := [outcome for outcome in outcomes if outcome.id in wanted and _was_sent(outcome)]:
                items = self._items(job, chunk)
                found |= {outcome.id: KnownItem(outcome, bundle, items.get(outcome.index)) for outcome in outcomes}
        return found

    def _items(self, job: Job, chunk: bytes) -> dict[int, QueuedItem]:
        """A chunk's, by index: all of them where inputs are kept, else those that are not done."""
        packed = self._redis.hget(job_key(job.id, "kept"), chunk) or self._redis.hget(job_key(job.id, "input"), chunk)
        return {item.index: item for item in unpack_items(packed)} if packed else {}

    def _chunk(self, job: Job, chunk: str) -> tuple[str, list[Outcome]] | None:
        """The bundle ("" for none) and what it gave; `None` if the job has ended since it was read."""
        packed = self._redis.hget(job_key(job.id, "results"), chunk)
        if packed is not None:
            return unpack_outcomes(packed)
        if not job.ended:
            return None
        packed = self._redis.hget(job_key(job.id, "input"), chunk)
        if packed is None:
            raise ResultsGoneError(job.id)
        items = unpack_items(packed)
        status = _rest(job)
        message = _NEVER_DONE[status]
        return "", [Outcome(i.index, i.id, status=status, error=status.value, message=message) for i in items]


def _rest(job: Job) -> ItemStatus:
    """What became of the items that an ended job has no results of."""
    return ItemStatus.EXPIRED if job.state is JobState.EXPIRED else ItemStatus.CANCELLED


def _was_sent(outcome: Outcome) -> bool:
    """A skipped item was no item."""
    return outcome.status is not ItemStatus.INVALID


def _parse(cursor: str) -> tuple[int, int]:
    if (match := _CURSOR.fullmatch(cursor)) is None:
        raise CursorError(f"{cursor!r} is no cursor: pass on the one that the page before gave")
    return int(match[1]), int(match[2])
