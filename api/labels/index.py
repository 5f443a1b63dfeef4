"""How many labels there are, and which items have several: a label store, counted in Redis for all processes.

Only a view: whatever file of the store it has not seen yet, after a crash or with an emptied Redis, is counted when
somebody asks next.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis import Redis

from shared.stores.labels import Label, LabelKind, LabelStore, arrival

_ADD = """
-- KEYS: files (hash: name → its conflicts), items (hash: identity → the codes it was given), counts (hash).
-- ARGV: a file's name, then identity, code and kind of each of its labels. A file counts once. Returns how many of its
-- labels contradict an earlier one.
local files, items, counts, name = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local counted = redis.call('HGET', files, name)
if counted then return tonumber(counted) end
local conflicts = 0
for at = 2, #ARGV, 3 do
  local identity, code, kind = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local given = redis.call('HGET', items, identity)
  if not given then
    redis.call('HSET', items, identity, code)
    redis.call('HINCRBY', counts, 'items', 1)
  else
    local codes, same = 0, false
    for other in string.gmatch(given, '%d+') do
      codes, same = codes + 1, same or other == code
    end
    if not same then redis.call('HSET', items, identity, given .. ' ' .. code) end
    if codes > 1 or not same then conflicts = conflicts + 1 end
    if codes == 1 and not same then redis.call('HINCRBY', counts, 'conflicts', 1) end
  end
  redis.call('HINCRBY', counts, 'labels', 1)
  redis.call('HINCRBY', counts, code, 1)
  if kind ~= '' then redis.call('HINCRBY', counts, kind, 1) end
end
redis.call('HSET', files, name, conflicts)
if name > (redis.call('HGET', counts, 'newest') or '') then redis.call('HSET', counts, 'newest', name) end
return conflicts
"""


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
    """Args: redis: a client that does not decode responses."""

    def __init__(self, redis: Redis, store: LabelStore) -> None:
        self._redis: Any = redis
        self._store = store
        # Another store's counts are others.
        prefix = f"catalog:labels:{hashlib.sha256(store.url.encode()).hexdigest()[:16]}"
        self._keys = [f"{prefix}:{part}" for part in ("files", "items", "counts")]
        self._add = self._redis.register_script(_ADD)

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
