"""The memory: what a tenant's people decided about items, to answer equal ones with; a part of the decisions' index."""

from collections.abc import Sequence
from typing import NamedTuple

from redis import Redis

from shared.ledger.decisions import decided_of
from shared.ledger.records import Decided
from shared.redis_access import PREFIX, in_bytes

_AT_ONCE = 1000


class Remembered(NamedTuple):
    """What is remembered of an item."""

    decided: Decided
    """The latest decision about it."""
    other: Decided | None = None
    """What another person had decided before it, if that was something else and nobody has settled it since."""


class Memory:
    """Decisions by the identity of the item that they are about: its words and its picture."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)

    def any(self, tenant: str) -> bool:
        """Whether anything is remembered."""
        return bool(self._redis.exists(_key(tenant)))

    def of(self, tenant: str, identities: Sequence[str]) -> dict[str, Remembered]:
        """Return what is remembered of those of the items of which anything is; takes one round trip per thousand.

        Args:
            identities: As `shared.stores.decisions.identity_of` makes them.
        """
        found = dict[str, Remembered]()
        for first in range(0, len(identities), _AT_ONCE):
            some = identities[first : first + _AT_ONCE]
            kept = self._redis.hmget(_key(tenant), list(some))
            found |= {identity: _remembered(lines) for identity, lines in zip(some, kept, strict=True) if lines}
        return found


def _remembered(lines: bytes) -> Remembered:
    latest_of, contradicted = dict[str, Decided](), list[tuple[Decided, Decided]]()
    for decided in map(decided_of, lines.split(b"\n")):
        others = (other for by, other in latest_of.items() if by != decided.by and other.code != decided.code)
        if (other := max(others, key=lambda one: one.place, default=None)) is not None:
            contradicted.append((decided, other))
        latest_of[decided.by] = latest = decided
    # Only while nobody has decided since: people are asked once about what they do not agree on.
    open_still = len(contradicted) == 1 and contradicted[0][0] is latest
    return Remembered(latest, contradicted[0][1] if open_still else None)


def _key(tenant: str) -> str:
    return f"{PREFIX}memory:{tenant}"
