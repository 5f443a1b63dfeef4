"""Messages to send when a job has ended."""

from redis import Redis

from shared.ledger.scripts import load
from shared.redis_access import PREFIX, in_bytes, now

HOLD_S = 60.0
"""A message that was taken is due again after this time, unless it is settled or postponed: its taker may have died."""


class Outbox:
    """Args: name: `webhook` or `tracking`."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = in_bytes(redis)
        self._name = name
        self._key = f"{PREFIX}outbox:{name}"
        self._take = load(redis, "take")

    def due(self) -> int:
        """Return the number of messages that are due."""
        return self._redis.zcount(self._key, "-inf", now(self._redis))

    def take(self, hold_s: float = HOLD_S, limit: int = 100) -> list[str]:
        """Return jobs whose message is due; each is due again after `hold_s` unless it is settled or postponed."""
        return [job.decode() for job in self._take(args=[self._name, hold_s, limit])]

    def settle(self, job: str) -> None:
        """Record that the message was delivered or given up."""
        self._redis.zrem(self._key, job)

    def postpone(self, job: str, delay_s: float) -> None:
        """Make the message due in `delay_s`, even if it was settled before."""
        self._redis.zadd(self._key, {job: now(self._redis) + delay_s})
