"""How many requests a key has left, counted in Redis for all API processes together."""

import math
import time
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerMinute, parse
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import Redis

from api.http.callers import network_of
from shared.redis_access import PREFIX

_FAILURES = RateLimitItemPerMinute(30)
"""Requests with a wrong key, by address."""


@dataclass(frozen=True)
class RateLimitStatus:
    """What is left of a rate limit after a request."""

    allowed: bool
    limit: RateLimitItem
    remaining: int
    reset_s: int
    """Seconds until another request is allowed."""

    def headers(self) -> dict[str, str]:
        """The headers of draft-ietf-httpapi-ratelimit-headers-10."""
        return {
            "RateLimit-Policy": f'"default";q={self.limit.amount};w={self.limit.get_expiry()}',
            "RateLimit": f'"default";r={self.remaining};t={self.reset_s}',
        }


class RateLimits:
    """Sliding windows, timed by Redis's clock.

    Args:
        redis: Its connection pool is used, with its short timeouts.
        rate_limit: A key's limit, in the notation of the library `limits`; `ValueError` if it is malformed.
    """

    def __init__(self, redis: Redis, rate_limit: str) -> None:
        # With a connection pool, the URL only selects the Redis client instead of Valkey's.
        storage = RedisStorage("redis://", connection_pool=redis.connection_pool, key_prefix=f"{PREFIX}limit")
        self._window = SlidingWindowCounterRateLimiter(storage)
        self._limit = parse(rate_limit)

    def request(self, key_id: str) -> RateLimitStatus:
        """Count a request with this key."""
        return self._count(self._limit, "key", key_id)

    def failure(self, address: str) -> RateLimitStatus:
        """Count a request with a wrong key from this address; of IPv6, from its /64 network."""
        return self._count(_FAILURES, "failure", network_of(address) or "")

    def _count(self, limit: RateLimitItem, *key: str) -> RateLimitStatus:
        allowed = self._window.hit(limit, *key)
        reset, remaining = self._window.get_window_stats(limit, *key)
        return RateLimitStatus(allowed, limit, remaining, max(math.ceil(reset - time.time()), 1))
