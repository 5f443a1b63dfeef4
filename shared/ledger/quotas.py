"""What a tenant may hold, what it holds, and the errors that refuse more."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis

from shared.redis_access import PREFIX, in_bytes

MEMORY = "memory"
"""The quota of memory in Redis; the others are called like their lanes."""

_WAITING, _HELD, _REFUSED = f"{PREFIX}waiting", f"{PREFIX}held", f"{PREFIX}refused"


@dataclass(frozen=True, slots=True)
class MemoryQuota:
    """Whose memory the staged items of a request are, and how much may be used."""

    tenant: str
    share: float
    """Share of Redis' memory that may be used by everything in it; beyond it nothing more is staged."""
    tenants_share: float = 1
    """Share of that for this tenant's jobs; 1: the tenant has no quota of its own."""


class QuotaExceededError(RuntimeError):
    """The tenant holds too much to accept more.

    Attributes:
        quota: The lane in which too many of its items wait, or `MEMORY`.
        used: Items, or bytes.
        limit: The same.
    """

    def __init__(self, quota: str, used: int, limit: int) -> None:
        super().__init__(f"{quota}: {used} of {limit}")
        self.quota, self.used, self.limit = quota, used, limit


class MemoryFullError(RuntimeError):
    """Redis' memory is used up to the share that may be: what is left is for the results of accepted jobs.

    Attributes:
        used, limit: Bytes.
    """

    def __init__(self, used: int, limit: int) -> None:
        super().__init__(f"{used} of {limit} bytes")
        self.used, self.limit = used, limit


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a tenant holds."""

    waiting: Mapping[str, int]
    """By lane: items without an outcome; in the lane of trainings, trainings."""
    memory: int
    """Bytes in Redis of its jobs: items, results, records."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """How many requests were refused by a limit since the beginning."""

    whose: str
    """`tenant` or `all`."""
    what: str
    """A lane, or `MEMORY`."""
    requests: int


class Quotas:
    """Reads what tenants hold and what was refused."""

    def __init__(self, redis: Redis) -> None:
        self._client = redis
        self._redis = in_bytes(redis)

    def holdings(self, tenant: str, lanes: tuple[str, ...]) -> Holdings:
        with self._redis.pipeline() as pipe:
            pipe.hmget(_WAITING, [f"{lane} {tenant}" for lane in lanes])
            pipe.hget(_HELD, tenant)
            waiting, memory = pipe.execute()
        return Holdings({lane: int(n or 0) for lane, n in zip(lanes, waiting, strict=True)}, int(memory or 0))

    def largest_memory(self) -> int:
        """Return the bytes that the jobs of the tenant with the most of them hold."""
        return max((int(held) for held in self._redis.hgetall(_HELD).values()), default=0)

    def refusals(self) -> list[Refusal]:
        found = self._redis.hgetall(_REFUSED)
        named = sorted((*name.decode().partition(" "), int(n)) for name, n in found.items())
        return [Refusal(whose, what, requests) for whose, _, what, requests in named]

    def redis_memory(self) -> tuple[int, int]:
        """Return the bytes that Redis uses and those that it may use, or that its machine has."""
        memory: dict[str, Any] = self._client.info("memory")
        return memory["used_memory"], memory["maxmemory"] or memory["total_system_memory"]
