"""Read chunks of a job: what was answered, and what was sent."""

from collections.abc import Collection, Mapping, Sequence

from shared.ledger.packing import unpack_items, unpack_outcomes, unpack_sent
from shared.ledger.records import Job, Outcome, QueuedItem, Sent
from shared.ledger.scripts import job_key
from shared.ledger.states import ItemStatus, JobState
from shared.redis_access import BytesRedis

_NEVER_DONE = {
    ItemStatus.CANCELLED: "the job ended before this item was classified",
    ItemStatus.EXPIRED: "the job's deadline passed before this item was classified",
}


class ResultsGoneError(LookupError):
    """The results expired while they were being read."""


ItemFilter = Mapping[int, Collection[int]]
"""Items by their chunks: of each chunk the positions in the request."""


class Chunks:
    def __init__(self, redis: BytesRedis) -> None:
        self._redis = redis

    def order(self, job: Job) -> list[int]:
        """Return the chunks that have outcomes, in the order of their commit; all chunks, once the job has ended.

        Args:
            job: The job as read before.

        Raises:
            ResultsGoneError: The results have expired.
        """
        order = [int(chunk) for chunk in self._redis.lrange(job_key(job.id, "order"), 0, -1)]
        if job.ended and len(order) < job.chunks:
            raise ResultsGoneError(job.id)
        return order

    def outcomes(self, job: Job, chunk: int) -> tuple[str, list[Outcome]] | None:
        """Return the bundle ("" for none) and what it gave; `None` if the job has ended since it was read.

        Raises:
            ResultsGoneError: The results have expired.
        """
        packed = self._redis.hget(job_key(job.id, "results"), str(chunk))
        if packed is not None:
            return unpack_outcomes(packed)
        if not job.ended:
            return None
        packed = self._redis.hget(job_key(job.id, "input"), str(chunk))
        if packed is None:
            raise ResultsGoneError(job.id)
        return "", _never_done(job, unpack_items(packed))

    def items(self, job: Job, chunk: int) -> dict[int, QueuedItem]:
        """Return a chunk's items by index: all if inputs are kept, else those without a result; not freed ones."""
        field = str(chunk)
        packed = self._redis.hget(job_key(job.id, "kept"), field) or self._redis.hget(job_key(job.id, "input"), field)
        return _with_content(unpack_items(packed)) if packed else {}

    def items_at(self, job: Job, wanted: ItemFilter) -> dict[int, QueuedItem]:
        """Return the wanted items by index, of those that are still kept, in one round trip."""
        kept, waiting = self._parts(job, wanted, "kept", "input")
        found = dict[int, QueuedItem]()
        for indices, packed, other in zip(wanted.values(), kept, waiting, strict=True):
            if sent := packed or other:
                found |= _with_content(unpack_items(sent, indices))
        return found

    def outcomes_at(self, job: Job, wanted: ItemFilter) -> dict[int, tuple[str, Outcome]]:
        """Return the bundle ("" for none) and the outcome of the wanted items, by index, in one round trip.

        Raises:
            ResultsGoneError: The results have expired.
        """
        results, waiting = self._parts(job, wanted, "results", "input")
        found = dict[int, tuple[str, Outcome]]()
        for indices, packed, other in zip(wanted.values(), results, waiting, strict=True):
            if packed is not None:
                bundle, outcomes = unpack_outcomes(packed, indices)
            elif other is not None:
                bundle, outcomes = "", _never_done(job, unpack_items(other, indices))
            else:
                raise ResultsGoneError(job.id)
            found |= {outcome.index: (bundle, outcome) for outcome in outcomes}
        return found

    def sent_at(self, job: Job, wanted: ItemFilter) -> dict[int, Sent]:
        """Return what belongs to the wanted items beside what is classified, by index; nothing of most items."""
        (parts,) = self._parts(job, wanted, "sent")
        found = dict[int, Sent]()
        for indices, packed in zip(wanted.values(), parts, strict=True):
            if packed is not None:
                found |= {index: sent for index, sent in unpack_sent(packed).items() if index in indices}
        return found

    def _parts(self, job: Job, wanted: ItemFilter, *parts: str) -> list[list[bytes | None]]:
        if not wanted:
            return [[] for _ in parts]
        with self._redis.pipeline(transaction=False) as pipe:
            for part in parts:
                pipe.hmget(job_key(job.id, part), [str(chunk) for chunk in wanted])
            found: list[list[bytes | None]] = pipe.execute()
        return found

    def facets(self, job: Job) -> dict[int, bytes]:
        """Return the facets of chunks as they were written; skipped and unclassified chunks have none."""
        return {int(chunk): content for chunk, content in self._redis.hgetall(job_key(job.id, "facets")).items()}

    def first_index(self, job: Job, chunk: int) -> int:
        """Return the least index of a chunk.

        Raises:
            ResultsGoneError: The job's items have expired.
        """
        for part in ("input", "kept"):
            if packed := self._redis.hget(job_key(job.id, part), str(chunk)):
                return min(item.index for item in unpack_items(packed))
        if (packed := self._redis.hget(job_key(job.id, "results"), str(chunk))) is None:
            raise ResultsGoneError(job.id)
        return min(outcome.index for outcome in unpack_outcomes(packed)[1])


def rest_of(job: Job) -> ItemStatus:
    """Return the status of the items that an ended job has no results for."""
    return ItemStatus.EXPIRED if job.state is JobState.EXPIRED else ItemStatus.CANCELLED


def missing(order: Sequence[int], chunks: int) -> int | None:
    """Return the least of the chunks that are not in the order; `None` if all are."""
    there = set(order)
    return next((chunk for chunk in range(chunks) if chunk not in there), None)


def _never_done(job: Job, items: Sequence[QueuedItem]) -> list[Outcome]:
    """Return the outcomes of items that an ended job never classified."""
    status = rest_of(job)
    message = _NEVER_DONE[status]
    return [Outcome(item.index, item.id, status=status, error=status.value, message=message) for item in items]


def _with_content(items: Sequence[QueuedItem]) -> dict[int, QueuedItem]:
    return {item.index: item for item in items if item.has_content}
