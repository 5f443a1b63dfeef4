"""Bounds how many pictures are fetched from one host at a time, by all workers together."""

import hashlib
import logging
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from redis import Redis, RedisError

from shared.redis_access import PREFIX

log = logging.getLogger(__name__)

_TAKE = """
-- KEYS: the host's turns. ARGV: token, how many there are, seconds after which one counts as given back.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[3]))
return 1
"""


class HostTurns:
    """Turns at hosts, in Redis; those of a worker that dies run out.

    Args:
        at_once: Turns of a host.
        hold_s: Seconds that a request takes at most.
    """

    def __init__(self, redis: Redis, at_once: int, hold_s: float) -> None:
        self._redis = redis
        self._at_once = at_once
        self._hold_s = hold_s
        self._take = redis.register_script(_TAKE)

    def take(self, host: str) -> AbstractContextManager[None] | None:
        """A turn, which ends with the context; `None` if none is free now. Without Redis everybody has a turn."""
        key = f"{PREFIX}fetching:{hashlib.sha256(host.encode()).hexdigest()[:16]}"
        token = secrets.token_hex(8)
        try:
            free = self._take(keys=[key], args=[token, self._at_once, self._hold_s])
        except RedisError as error:
            log.warning("nobody counts the requests to a host: %s", error)
            free = True
        return self._held(key, token) if free else None

    @contextmanager
    def _held(self, key: str, token: str) -> Iterator[None]:
        try:
            yield
        finally:
            try:
                self._redis.zrem(key, token)
            except RedisError as error:
                log.warning("a host's turn is left to run out: %s", error)
