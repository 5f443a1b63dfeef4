"""Which workers and trainers are alive, and what they do: each tells it in Redis every few seconds.

Celery's own ping would cost seconds and is not answered by a busy worker.
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
    """Why it is this runtime, for people."""
    micro_batch: int | None
    """Pictures computed together."""
    pictures_per_s: float | None
    """What the model alone did at the start, decoding excluded."""
    problem: str | None
    """Why no model is loaded, for people."""
    warning: str | None
    """Why it does not serve what it should, for people; the model above goes on meanwhile."""
    slots: int
    """Bulk chunks it takes at a time."""


@dataclass(frozen=True)
class TrainerStatus:
    name: str
    training: str | None
    """The training that it is at; `None` while it is idle."""


def announce(redis: Redis, status: WorkerStatus | TrainerStatus) -> None:
    redis.set(_key(type(status), status.name), json.dumps(asdict(status)), ex=_KEPT_S)


def withdraw(redis: Redis, name: str, kind: type[WorkerStatus] | type[TrainerStatus] = WorkerStatus) -> None:
    redis.delete(_key(kind, name))


def alive(redis: Redis) -> list[WorkerStatus]:
    """Workers heard of in the last seconds, by name."""
    return [WorkerStatus(**facts) for facts in _heard(redis, WorkerStatus)]


def trainers_alive(redis: Redis) -> list[TrainerStatus]:
    """The same of trainers."""
    return [TrainerStatus(**facts) for facts in _heard(redis, TrainerStatus)]


def _key(kind: type[WorkerStatus] | type[TrainerStatus], name: str) -> str:
    return (_PREFIX if kind is WorkerStatus else _TRAINER_PREFIX) + name


def _heard(redis: Redis, kind: type[WorkerStatus] | type[TrainerStatus]) -> list[dict[str, Any]]:
    names = sorted(redis.scan_iter(_key(kind, "*"), count=1000))
    values = redis.mget(names) if names else []
    return [json.loads(value) for value in values if value is not None]
