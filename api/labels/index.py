"""Counts of a label store, kept in Redis for all processes: how many labels it holds, and which contradict others.

They are kept for each tenant and for all together: what a tenant is told depends on its own labels alone.

The counts are only a view: files that are not counted yet, after a crash or when Redis was emptied, are counted at the
next request.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from redis import Redis

from shared.redis_access import PREFIX, LuaScripts, in_bytes
from shared.stores.labels import Label, LabelKind, LabelStore
from shared.stores.request_files import arrival

_SCRIPTS = LuaScripts(Path(__file__).parent / "lua")
_CODE = "code:"
"""Before a code in the counts, which hold other names as well."""
_SCANNED = 1000
"""Keys that Redis looks through in one step."""


@dataclass(frozen=True)
class LabelCounts:
    """How many labels a store holds, and of what kind."""

    labels: int
    items: int
    """Distinct items."""
    corrections: int
    confirmations: int
    conflicts: int
    """Items that were given more than one code."""
    codes: Mapping[str, int]
    """Labels by code; codes without labels are missing."""
    newest: datetime | None


class LabelIndex:
    """The counts of a label store."""

    def __init__(self, redis: Redis, store: LabelStore) -> None:
        self._redis = in_bytes(redis)
        self._store = store
        # Each store has counts of its own.
        self._prefix = f"{PREFIX}labels:{hashlib.sha256(store.url.encode()).hexdigest()[:16]}"
        self._add = _SCRIPTS.load(redis, "count")
        self._start = _SCRIPTS.load(redis, "start")

    def add(self, name: str, labels: Sequence[Label]) -> int:
        """Count a file, whose labels are all one tenant's.

        Returns:
            How many of its labels contradict an earlier label that the same tenant gave the item.
        """
        facts = [part for label in labels for part in (label.identity or "", label.code, label.kind or "")]
        tenants = {label.tenant for label in labels}
        counted = [int(self._add(keys=self._keys(tenant), args=[name, *facts])) for tenant in tenants]
        self._add(keys=self._keys(None), args=[name, *facts])  # last: it is what says that the file is counted
        return sum(counted)

    def catch_up(self) -> list[str]:
        """Count the files that are not counted yet, in the order of arrival; return the names of all files."""
        if self._start(keys=self._keys(None), args=[]):
            for key in self._redis.scan_iter(f"{self._prefix}:tenant:*", _SCANNED):  # an earlier release's names
                self._redis.delete(key.decode())
        names = self._store.names()
        known = {name.decode() for name in self._redis.hkeys(self._keys(None)[0])}
        for name in names:
            if name not in known:
                self.add(name, list(self._store.labels([name])))
        return names

    def counts(self, tenant: str | None) -> LabelCounts:
        """Return the counts of one tenant's labels; of all tenants' if it is `None`."""
        self.catch_up()
        return self.counted(tenant)

    def counted(self, tenant: str | None) -> LabelCounts:
        """Return the same without a look at the store: files of other processes may not be counted yet."""
        counts = {name.decode(): value.decode() for name, value in self._redis.hgetall(self._keys(tenant)[2]).items()}
        return LabelCounts(
            labels=int(counts.get("labels", 0)),
            items=int(counts.get("items", 0)),
            corrections=int(counts.get(LabelKind.CORRECTION, 0)),
            confirmations=int(counts.get(LabelKind.CONFIRMATION, 0)),
            conflicts=int(counts.get("conflicts", 0)),
            codes={
                name.removeprefix(_CODE): int(count) for name, count in sorted(counts.items()) if name.startswith(_CODE)
            },
            newest=arrival(counts["newest"]) if "newest" in counts else None,
        )

    def _keys(self, tenant: str | None) -> list[str]:
        whose = self._prefix if tenant is None else f"{self._prefix}:of:{tenant}"
        return [f"{whose}:{part}" for part in ("files", "items", "counts")]
