"""What results give back as callers sent it: titles, and their own columns."""

import json

from redis import Redis

from shared.ledger.packing import unpack_items, unpack_sent
from shared.ledger.records import Job, Page, Sent
from shared.ledger.scripts import job_key
from shared.redis_access import in_bytes

_NOTHING = Sent()


class SentItems:
    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)

    def columns(self, job: Job) -> list[str]:
        """Return the names of the own columns of all the job's items, in the order of their first appearance."""
        packed = self._redis.hget(job_key(job.id, "sent"), "columns")
        return json.loads(packed) if packed else []

    def of(self, job: Job, page: Page) -> list[Sent]:
        """Return what belongs to each of the page's outcomes.

        There are no titles of items that are not kept: classified ones where inputs are not, and freed ones.
        """
        chunks = {chunk: self._chunk(job, chunk) for chunk in dict.fromkeys(page.chunks)}
        return [
            chunks[chunk].get(outcome.index, _NOTHING)
            for chunk, (_, outcome) in zip(page.chunks, page.outcomes, strict=True)
        ]

    def _chunk(self, job: Job, chunk: int) -> dict[int, Sent]:
        """Return what belongs to a chunk's items, by their indexes."""
        field = str(chunk)
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hget(job_key(job.id, "sent"), field)
            pipe.hget(job_key(job.id, "kept"), field)
            packed, kept = pipe.execute()
        items = kept or self._redis.hget(job_key(job.id, "input"), field)
        sent = unpack_sent(packed) if packed else {}
        for item in unpack_items(items) if items else ():
            if (known := sent.get(item.index)) is None:
                sent[item.index] = Sent(item.title)
            elif known.title is None:
                sent[item.index] = Sent(item.title, known.metadata)
        return sent
