"""Read a job's outcomes."""

from collections.abc import Collection, Iterator

from redis import Redis

from shared.ledger.chunks import Chunks, ResultsGoneError, rest_of
from shared.ledger.cursor import Cursor
from shared.ledger.packing import unpack_items, unpack_sent
from shared.ledger.records import Job, KnownItem, Outcome, Page, QueuedItem, Sent
from shared.ledger.scripts import job_key
from shared.ledger.states import ItemStatus
from shared.redis_access import in_bytes

_START = "~"
_CHUNKS_A_PAGE = 200
"""A page ends after this many chunks even if few of their outcomes have the requested status."""


class Results:
    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)
        self._chunks = Chunks(self._redis)

    def page(self, job: Job, cursor: str | None = None, limit: int = 1000, status: ItemStatus | None = None) -> Page:
        """Return the outcomes after `cursor` in the order of their commit, also while the job runs.

        Items that were never classified come last, once the job has ended. Outcomes that a power cut undid after they
        were read are not returned again.

        Args:
            job: The job as read before: later outcomes may be on the page, but do not make it `complete`.

        Raises:
            CursorError: `cursor` is not one that this ledger returns.
            ResultsGoneError: The results have expired.
        """
        order = self._chunks.order(job)
        at = Cursor.parse(cursor or _START, order, job.chunks)
        outcomes: list[tuple[str, Outcome]] = []
        chunks: list[int] = []
        for chunk in at.rest(order)[:_CHUNKS_A_PAGE]:
            if len(outcomes) >= limit:
                break
            if (read := self._chunks.outcomes(job, chunk)) is None:
                break
            bundle, found = read
            offset = at.offset
            while offset < len(found) and len(outcomes) < limit:
                if status is None or found[offset].status is status:
                    outcomes.append((bundle, found[offset]))
                    chunks.append(chunk)
                offset += 1
            at.move(chunk, offset, len(found))
        return Page(outcomes, chunks, str(at), complete=job.ended and len(at.read) == job.chunks)

    def pages(
        self, job: Job, cursor: str | None = None, limit: int = 1000, status: ItemStatus | None = None
    ) -> Iterator[Page]:
        """Yield all pages there are now."""
        while True:
            page = self.page(job, cursor, limit, status)
            yield page
            if page.complete or page.cursor == cursor:
                return
            cursor = page.cursor

    def retryable(self, job: Job, statuses: frozenset[ItemStatus]) -> Iterator[tuple[QueuedItem, Sent | None]]:
        """Yield the items of an ended job that failed or were never done, chunk by chunk, and what belongs to them.

        Those that a cancelled job never did are no longer there.

        Raises:
            ResultsGoneError: The job's items expired while they were being read.
        """
        results = job_key(job.id, "results")
        rest = rest_of(job)
        for chunk in sorted(self._redis.hkeys(job_key(job.id, "input")), key=int):
            status = ItemStatus.FAILED if self._redis.hexists(results, chunk) else rest
            if status in statuses:
                if (packed := self._redis.hget(job_key(job.id, "input"), chunk)) is None:
                    raise ResultsGoneError(job.id)
                sent = self._redis.hget(job_key(job.id, "sent"), chunk)
                belonging = unpack_sent(sent) if sent else {}
                yield from ((item, belonging.get(item.index)) for item in unpack_items(packed) if item.has_content)

    def known(self, job: Job, ids: Collection[str]) -> dict[str, KnownItem]:
        """Return the items with these ids that have an outcome, without skipped ones."""
        wanted, found = set(ids), dict[str, KnownItem]()
        for position in range(self._redis.llen(job_key(job.id, "order"))):
            if len(found) == len(wanted):
                break
            chunk = self._redis.lindex(job_key(job.id, "order"), position)
            if chunk is None or (read := self._chunks.outcomes(job, int(chunk))) is None:
                break
            bundle, outcomes = read
            if outcomes := [outcome for outcome in outcomes if outcome.id in wanted and _was_sent(outcome)]:
                items = self._chunks.items(job, int(chunk))
                found |= {outcome.id: KnownItem(outcome, bundle, items.get(outcome.index)) for outcome in outcomes}
        return found


def _was_sent(outcome: Outcome) -> bool:
    """Whether the item was classified: invalid items were skipped."""
    return outcome.status is not ItemStatus.INVALID
