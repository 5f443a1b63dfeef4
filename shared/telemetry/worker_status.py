"""Status of the live workers and trainers, which each of them writes to Redis every few seconds.

Celery's own ping would take seconds, and a busy worker does not answer it.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from redis import Redis

from shared.redis_access import PREFIX

HEARTBEAT_S = 2.0
_KEPT_S = 10
_PREFIX = f"{PREFIX}worker:"
_TRAINER_PREFIX = f"{PREFIX}trainer:"


@dataclass(frozen=True)
class WorkerStatus:
    name: str
    bundle: str | None
    """The one it serves; `None` while none is loaded."""
    runtime: str | None
    reason: str | None
    """Why it is this runtime, human-readable."""
    micro_batch: int | None
    """Pictures computed together."""
    pictures_per_s: float | None
    """Speed of the model alone, without decoding, measured at the start."""
    problem: str | None
    """Why no model is loaded, human-readable."""
    warning: str | None
    """Why it does not serve the bundle that it should, human-readable; the bundle above serves meanwhile."""
    slots: int
    """Bulk chunks that it processes at a time."""
    trouble: str | None = None
    """Why chunks wait although a model serves, such as a blob store that is away, human-readable."""


@dataclass(frozen=True)
class TrainerStatus:
    name: str
    training: str | None
    """Id of the training that it works on; `None` while it is idle."""


def announce(redis: Redis, status: WorkerStatus | TrainerStatus) -> None:
    redis.set(_key(type(status), status.name), json.dumps(asdict(status)), ex=_KEPT_S)


def withdraw(redis: Redis, name: str, kind: type[WorkerStatus] | type[TrainerStatus] = WorkerStatus) -> None:
    redis.delete(_key(kind, name))


def alive(redis: Redis) -> list[WorkerStatus]:
    """Return the workers whose status has not expired, by name."""
    return [WorkerStatus(**facts) for facts in _heard(redis, WorkerStatus)]


def trainers_alive(redis: Redis) -> list[TrainerStatus]:
    """Return the trainers whose status has not expired, by name."""
    return [TrainerStatus(**facts) for facts in _heard(redis, TrainerStatus)]


def _key(kind: type[WorkerStatus] | type[TrainerStatus], name: str) -> str:
    return (_PREFIX if kind is WorkerStatus else _TRAINER_PREFIX) + name


def _heard(redis: Redis, kind: type[WorkerStatus] | type[TrainerStatus]) -> list[dict[str, Any]]:
    names = sorted(redis.scan_iter(_key(kind, "*"), count=1000))
    values = redis.mget(names) if names else []
    return [json.loads(value) for value in values if value is not None]
