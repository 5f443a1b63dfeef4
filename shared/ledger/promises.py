"""What is promised of accepted answers, and from which confidence on each tenant's answers are accepted."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from redis import Redis

from shared.ledger.records import known
from shared.ledger.scripts import load
from shared.redis_access import PREFIX, in_bytes

MOVES = 50
"""Moves of a threshold that are kept."""
_KEY = f"{PREFIX}promise:"
_BUNDLE_LASTS_S = 400 * 86400


@dataclass(frozen=True, slots=True)
class ModelPromise:
    """What training has chosen for a bundle."""

    bundle: str
    precision: float
    """The share of right answers among the accepted ones that is promised."""
    threshold: float | None
    """`None`: no confidence was precise enough, so nothing is accepted."""


@dataclass(frozen=True, slots=True)
class TenantThreshold:
    """The threshold that was set for a tenant."""

    bundle: str
    """The bundle whose confidences it is about."""
    threshold: float
    pinned: bool = False
    """A person has set it, for whatever bundle serves; it stays until a person changes it."""

    def of(self, bundle: str, own: float | None) -> float | None:
        """Return the threshold for answers of a bundle with this threshold of its own."""
        return self.threshold if self.pinned or (own is not None and bundle == self.bundle) else own


@dataclass(frozen=True, slots=True)
class ThresholdMove:
    """Why a threshold was moved, and by whom."""

    before: float | None
    after: float | None
    reason: str
    bundle: str
    by: str | None = None
    """The person's key, or its tenant; `None`: the service."""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class PromiseFigures:
    """How a tenant's promise stood when the housekeeper looked last."""

    state: str
    threshold: float | None
    audited: int
    estimate: float | None
    at_least: float


class Promises:
    """The promises of bundles and the thresholds of tenants."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)
        self._move = load(redis, "move_threshold")

    def publish(self, promise: ModelPromise) -> None:
        """Let others know what the bundle promises; it is cheap to repeat."""
        self._redis.set(f"{_KEY}bundle:{promise.bundle}", json.dumps(asdict(promise)), ex=_BUNDLE_LASTS_S)

    def of_bundle(self, bundle: str) -> ModelPromise | None:
        """Return what a bundle promises; `None` if no worker of this release has served it."""
        content = self._redis.get(f"{_KEY}bundle:{bundle}")
        return None if content is None else ModelPromise(**known(ModelPromise, json.loads(content)))

    def of_tenant(self, tenant: str) -> TenantThreshold | None:
        """Return the tenant's threshold; `None` if none was set."""
        bundle, threshold, pinned = self._redis.hmget(f"{_KEY}threshold:{tenant}", ["bundle", "threshold", "pinned"])
        if bundle is None or not threshold:
            return None
        return TenantThreshold(bundle.decode(), float(threshold), pinned == b"1")

    def move(self, tenant: str, move: ThresholdMove, *, pinned: bool = False) -> bool:
        """Set the tenant's threshold and record why; false if a person has pinned it, and this is not one."""
        facts = {name: value for name, value in asdict(move).items() if name != "at"}
        person = int(move.by is not None)
        after = "" if move.after is None else move.after
        args = [tenant, move.bundle, after, int(pinned), json.dumps(facts, ensure_ascii=False), person, MOVES]
        return bool(self._move(args=args))

    def moves(self, tenant: str) -> list[ThresholdMove]:
        """Return the last moves of the tenant's threshold, the latest first."""
        kept = (move.decode().partition(" ") for move in self._redis.lrange(f"{_KEY}moves:{tenant}", 0, MOVES - 1))
        return [ThresholdMove(**{**known(ThresholdMove, json.loads(facts)), "at": float(at)}) for at, _, facts in kept]

    def note(self, figures: Mapping[str, PromiseFigures]) -> None:
        """Keep how each tenant's promise stands, in place of what was kept."""
        kept: dict[str, Any] = {tenant: json.dumps(asdict(one)) for tenant, one in figures.items()}
        with self._redis.pipeline() as pipe:
            pipe.delete(f"{_KEY}figures")
            if kept:
                pipe.hset(f"{_KEY}figures", mapping=kept)
            pipe.execute()

    def noted(self) -> list[PromiseFigures]:
        """Return how the promises of all tenants stood when the housekeeper looked last."""
        kept = self._redis.hgetall(f"{_KEY}figures").values()
        return [PromiseFigures(**known(PromiseFigures, json.loads(figures))) for figures in kept]
