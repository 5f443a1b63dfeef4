"""The decisions of a tenant that arrived last, for those that keep something made of them; a part of their index."""

from collections.abc import Iterator

from redis import Redis

from shared.ledger.scripts import LATEST_DECISIONS
from shared.redis_access import PREFIX, in_bytes

_AT_ONCE = 1000


class LatestDecisions:
    """Reads them, the latest first."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)

    def stamp(self, tenant: str) -> str | None:
        """Return what changes with each file of the tenant's decisions; `None` if nobody has decided anything."""
        latest = self._redis.hget(LATEST_DECISIONS, tenant)
        return None if latest is None else latest.decode()

    def complete(self) -> bool:
        """Whether the index has all decisions: not while it is made again."""
        return bool(self._redis.exists(f"{PREFIX}decisions:built"))

    def told(self, tenant: str, most: int) -> Iterator[str]:
        """Yield what the feed tells of the latest decisions, up to `most` of them; some perhaps twice."""
        for first in range(0, most, _AT_ONCE):
            last = min(first + _AT_ONCE, most) - 1
            members = self._redis.zrevrange(f"{PREFIX}decisions:of:{tenant}", first, last)
            yield from (member.decode().partition(" ")[2] for member in members)
            if len(members) <= last - first:
                return
