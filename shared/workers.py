"""Which workers are alive, and what they serve: each tells it in Redis every few seconds.

Celery's own ping would cost seconds and is not answered by a busy worker.
"""

import json
from dataclasses import asdict, dataclass

from redis import Redis

HEARTBEAT_S = 2.0
_KEPT_S = 10
_PREFIX = "catalog:worker:"


@dataclass(frozen=True)
class WorkerStatus:
    name: str
    model: str | None
    """The served bundle's version; `None` while none is loaded."""
    runtime: str | None
    reason: str | None
    """Why it is this runtime, for people."""
    micro_batch: int | None
    """Pictures computed together."""
    pictures_per_s: float | None
    """What the model alone did at the start, decoding excluded."""
    problem: str | None
    """Why no model is loaded, for people."""
    slots: int
    """Bulk chunks it takes at a time."""


def announce(redis: Redis, status: WorkerStatus) -> None:
    redis.set(_PREFIX + status.name, json.dumps(asdict(status)), ex=_KEPT_S)


def withdraw(redis: Redis, name: str) -> None:
    redis.delete(_PREFIX + name)


def alive(redis: Redis) -> list[WorkerStatus]:
    """Workers heard of in the last seconds, by name."""
    names = sorted(redis.scan_iter(_PREFIX + "*", count=1000))
    values = redis.mget(names) if names else []
    return [WorkerStatus(**json.loads(value)) for value in values if value is not None]
