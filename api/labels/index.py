"""How many labels there are, and which items have several: a label store, counted in Redis for all processes.

Only a view: whatever file of the store it has not seen yet, after a crash or with an emptied Redis, is counted when
somebody asks next.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from redis import Redis

from shared.redis_access import PREFIX, LuaScripts, in_bytes
from shared.stores.labels import Label, LabelKind, LabelStore, arrival

_SCRIPTS = LuaScripts(Path(__file__).parent / "lua")


@dataclass(frozen=True)
class LabelCounts:
    """What a label store holds."""

    labels: int
    items: int
    """Different ones."""
    corrections: int
    confirmations: int
    conflicts: int
    """Items that were given more than one code."""
    codes: Mapping[int, int]
    """Labels by code, those that were given at all."""
    newest: datetime | None


class LabelIndex:
    """The counts of a label store."""

    def __init__(self, redis: Redis, store: LabelStore) -> None:
        self._redis = in_bytes(redis)
        self._store = store
        # Another store's counts are others.
        prefix = f"{PREFIX}labels:{hashlib.sha256(store.url.encode()).hexdigest()[:16]}"
        self._keys = [f"{prefix}:{part}" for part in ("files", "items", "counts")]
        self._add = _SCRIPTS.load(redis, "count")

    def add(self, name: str, labels: Sequence[Label]) -> int:
        """Count a file; returns how many of its labels contradict an earlier one of the same item."""
        told = [part for label in labels for part in (label.identity or "", label.code, label.kind or "")]
        return int(self._add(keys=self._keys, args=[name, *told]))

    def catch_up(self) -> list[str]:
        """Count what was not yet, in the order of its arrival; returns all files' names."""
        names = self._store.names()
        known = {name.decode() for name in self._redis.hkeys(self._keys[0])}
        for name in names:
            if name not in known:
                self.add(name, list(self._store.labels([name])))
        return names

    def counts(self) -> LabelCounts:
        self.catch_up()
        found = {name.decode(): value.decode() for name, value in self._redis.hgetall(self._keys[2]).items()}
        return LabelCounts(
            labels=int(found.get("labels", 0)),
            items=int(found.get("items", 0)),
            corrections=int(found.get(LabelKind.CORRECTION, 0)),
            confirmations=int(found.get(LabelKind.CONFIRMATION, 0)),
            conflicts=int(found.get("conflicts", 0)),
            codes={int(name): int(count) for name, count in sorted(found.items()) if name.isdecimal()},
            newest=arrival(found["newest"]) if "newest" in found else None,
        )
