"""The memory: what a tenant's people decided, to answer the same items with; a part of the decisions' index."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from redis import Redis

from shared.ledger.decisions import decided_of
from shared.ledger.records import Decided
from shared.redis_access import PREFIX, in_bytes

_SAME = 32
"""Characters of an identity that tell the same item; the rest tells its near copies."""
_AT_ONCE = 1000


class Remembered(NamedTuple):
    """What is remembered of an item."""

    decided: Decided
    """The latest decision about it."""
    other: Decided | None = None
    """What another person had decided before it, if that was something else and nobody has settled it since."""


class Memory:
    """Decisions by the identity of the item that they are about, as `shared.stores.decisions.identity_of` makes it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)

    def any(self, tenant: str) -> bool:
        """Whether anything is remembered."""
        return bool(self._redis.exists(f"{PREFIX}memory:{tenant}"))

    def same(self, tenant: str, identities: Iterable[str]) -> dict[str, Remembered]:
        """Return what was decided about the same items, by identity, where anything was."""
        parts = {identity: identity[:_SAME] for identity in identities}
        found = self._kept(f"{PREFIX}memory:{tenant}", parts.values())
        return {identity: _remembered(found[part]) for identity, part in parts.items() if part in found}

    def near(self, tenant: str, identities: Iterable[str]) -> dict[str, Decided]:
        """Return what was decided last about a near copy of the items, by identity, where anything was."""
        parts = {identity: identity[_SAME:] for identity in identities}
        found = self._kept(f"{PREFIX}near:{tenant}", parts.values())
        return {identity: decided_of(found[part][-1]) for identity, part in parts.items() if part in found}

    def _kept(self, key: str, parts: Iterable[str]) -> dict[str, list[bytes]]:
        """The lines of decisions; takes one round trip per thousand."""
        wanted, found = [*dict.fromkeys(parts)], dict[str, list[bytes]]()
        for first in range(0, len(wanted), _AT_ONCE):
            some = wanted[first : first + _AT_ONCE]
            kept = self._redis.hmget(key, some)
            found |= {part: lines.split(b"\n") for part, lines in zip(some, kept, strict=True) if lines}
        return found

    def all(self, tenant: str) -> Iterator[Decided]:
        """Yield the latest decision about each item of which anything is remembered; some perhaps twice."""
        for _, lines in self._redis.hscan_iter(f"{PREFIX}memory:{tenant}", count=_AT_ONCE):
            yield decided_of(lines.rpartition(b"\n")[2])


def _remembered(lines: Iterable[bytes]) -> Remembered:
    latest_of, contradicted = dict[str, Decided](), list[tuple[Decided, Decided]]()
    for decided in map(decided_of, lines):
        others = (other for by, other in latest_of.items() if by != decided.by and other.code != decided.code)
        if (other := max(others, key=lambda one: one.place, default=None)) is not None:
            contradicted.append((decided, other))
        latest_of[decided.by] = latest = decided
    # Only while nobody has decided since: people are asked once about what they do not agree on.
    open_still = len(contradicted) == 1 and contradicted[0][0] is latest
    return Remembered(latest, contradicted[0][1] if open_still else None)
