"""Checks for the reconciler: chunks that are nowhere, and pictures that something refers to.

The atomic steps lose nothing themselves; this finds what they cannot see, such as a key that was removed by hand.
"""

from collections.abc import Iterator

from redis import Redis

from shared.ledger.packing import unpack_items
from shared.ledger.scripts import job_key, load
from shared.redis_access import PREFIX, in_bytes


class Audit:
    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)
        self._restore = load(redis, "restore")
        self._recount = load(redis, "recount")

    def live_jobs(self) -> list[str]:
        return [job.decode() for job in self._redis.smembers(f"{PREFIX}live")]

    def restore(self, job: str) -> int:
        """Make chunks of the job that are neither ready, leased nor committed ready again, and give the job its turn.

        Returns:
            The number of restored chunks and turns.
        """
        with self._redis.pipeline() as pipe:
            pipe.hget(job_key(job), "chunks")
            pipe.lrange(job_key(job, "ready"), 0, -1)
            pipe.hkeys(job_key(job, "results"))
            chunks, ready, committed = pipe.execute()
        known = {*ready, *committed}
        # The atomic step leaves leased chunks out.
        missing = [chunk for chunk in range(int(chunks or 0)) if str(chunk).encode() not in known]
        return int(self._restore(args=[job, *missing]))

    def recount(self) -> None:
        """Count again what tenants hold, in case a process of another release changed jobs without counting."""
        self._recount(args=[])

    def blobs_in_use(self) -> set[str]:
        """Return the pictures of items that are staged, waiting or retryable, or whose results can be corrected."""
        return {item_blob for packed in self._inputs() for item_blob in _blobs(packed)}

    def _inputs(self) -> Iterator[bytes]:
        for part in ("input", "kept"):
            for key in self._redis.scan_iter(f"{PREFIX}job:*:{part}", count=1000):
                for chunk in self._redis.hkeys(key):
                    if packed := self._redis.hget(key, chunk):
                        yield packed


def _blobs(packed: bytes) -> Iterator[str]:
    return (item.blob for item in unpack_items(packed) if item.blob is not None)
