"""How many requests a key has left, counted in Redis for all API processes together."""

import math
import time
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerMinute, parse
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import Redis

from shared.redis_access import PREFIX

_FAILURES = RateLimitItemPerMinute(30)


@dataclass(frozen=True)
class Standing:
    """Where a caller stands after a request."""

    allowed: bool
    limit: RateLimitItem
    remaining: int
    reset_s: int
    """Seconds until more is allowed again."""

    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-10 writes them."""
        return {
            "RateLimit-Policy": f'"default";q={self.limit.amount};w={self.limit.get_expiry()}',
            "RateLimit": f'"default";r={self.remaining};t={self.reset_s}',
        }


class RateLimits:
    """Sliding windows by Redis' own clock.

    Args:
        redis: Its connections are shared, and so are their short timeouts.
        rate_limit: Of a key, in the notation of the library `limits`; raises `ValueError` where it is not.
    """

    def __init__(self, redis: Redis, rate_limit: str) -> None:
        # The URL is not used beside a pool; it only tells Redis from Valkey's client.
        storage = RedisStorage("redis://", connection_pool=redis.connection_pool, key_prefix=f"{PREFIX}limit")
        self._window = SlidingWindowCounterRateLimiter(storage)
        self._limit = parse(rate_limit)

    def request(self, key_id: str) -> Standing:
        """Count a request with this key."""
        return self._count(self._limit, "key", key_id)

    def failure(self, address: str) -> Standing:
        """Count a request with a wrong key from this address."""
        return self._count(_FAILURES, "failure", address)

    def _count(self, limit: RateLimitItem, *who: str) -> Standing:
        allowed = self._window.hit(limit, *who)
        reset, remaining = self._window.get_window_stats(limit, *who)
        return Standing(allowed, limit, remaining, max(math.ceil(reset - time.time()), 1))
