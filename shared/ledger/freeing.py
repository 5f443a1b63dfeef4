"""Frees the memory of items that nobody needs any more: those of cancelled jobs that were never classified."""

from collections.abc import Iterator

from redis import Redis

from shared.ledger.packing import pack_items, unpack_items
from shared.ledger.records import QueuedItem
from shared.ledger.scripts import job_key, load
from shared.redis_access import PREFIX, in_bytes

_TO_FREE = f"{PREFIX}to_free"


class Freeing:
    """Replaces such items by their ids, under which results list them as cancelled."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)
        self._free = load(redis, "free")

    def free(self, job: str) -> None:
        """Free the job's items if it was cancelled and they have not been freed."""
        if not self._redis.sismember(_TO_FREE, job):
            return
        for chunk, packed in self._unclassified(job):
            bare = [QueuedItem(item.index, item.id) for item in unpack_items(packed)]
            self._free(args=[job, chunk, pack_items(bare)])
        self._redis.srem(_TO_FREE, job)

    def free_all(self) -> None:
        for job in self._redis.smembers(_TO_FREE):
            self.free(job.decode())

    def _unclassified(self, job: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield the packed items of the chunks without a result."""
        classified = set(self._redis.hkeys(job_key(job, "results")))
        for chunk in self._redis.hkeys(job_key(job, "input")):
            if chunk not in classified and (packed := self._redis.hget(job_key(job, "input"), chunk)):
                yield chunk, packed
