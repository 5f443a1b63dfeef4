"""The taxonomy in force: the latest that somebody has put, else that of the bundle in service, else Rakuten's.

Workers publish the taxonomy of the bundle that they serve, with the codes that it answers, so that the API need load no
model. Keys in Redis, below the prefix `catalog:taxonomy:`:

    bundle:{bundle}    a bundle's taxonomy and codes as JSON, compressed
    served             the bundle that a worker has taken into service last
"""

import json
import zlib
from collections import OrderedDict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from threading import Lock

from redis import Redis

from shared.redis_access import PREFIX, in_bytes
from shared.stores.taxonomies import Taxonomies
from shared.taxonomy import RAKUTEN, Taxonomy, TaxonomyError
from shared.taxonomy.lookup import Lookup
from shared.taxonomy.writing import digest, from_json, rows

_PREFIX = f"{PREFIX}taxonomy:"
_SERVED = f"{_PREFIX}served"
_KEPT = 4
"""Bundles whose taxonomies a process remembers."""


class CategoryState(StrEnum):
    """Whether answers can name a category, and labels."""

    SERVED = "served"
    """The model in service answers it."""
    UNTRAINED = "untrained"
    """Labels may name it; the model in service does not know it yet."""
    MERGED = "merged"
    RETIRED = "retired"
    GROUP = "group"
    """It only holds other categories."""


@dataclass(frozen=True)
class PublishedBundle:
    """What a worker tells of the bundle that it serves."""

    id: str
    taxonomy: Taxonomy
    codes: tuple[str, ...]
    """Those that the model answers."""


@dataclass(frozen=True)
class TaxonomyInForce:
    """A taxonomy, and what the model in service makes of it."""

    taxonomy: Taxonomy
    number: int
    """Its number in the history (`shared.stores.taxonomies`); 0 if nobody has put it."""
    bundle: str | None
    """The bundle in service; `None` before a worker has served one."""
    codes: Sequence[str]
    """The codes that this bundle answers, as it was trained."""

    @cached_property
    def digest(self) -> str:
        """16 hex digits that name its content."""
        return digest(self.taxonomy)

    @cached_property
    def answered(self) -> Set[str]:
        """The codes that answers can name, which merges and retirements have been applied to."""
        return answered(self.taxonomy, self.codes)

    @cached_property
    def unknown(self) -> Sequence[str]:
        """The codes that the model in service answers and the taxonomy does not know: answers show them as they are."""
        return tuple(code for code in self.codes if code not in self.taxonomy.by_code)

    def state(self, code: str) -> CategoryState:
        """Return a category's state; raises `KeyError` for an unknown code."""
        category = self.taxonomy.by_code[code]
        if category.retired:
            return CategoryState.RETIRED
        if category.moved_to is not None:
            return CategoryState.MERGED
        if code in self.answered:
            return CategoryState.SERVED
        return CategoryState.UNTRAINED if code in self.leaves else CategoryState.GROUP

    @cached_property
    def lookup(self) -> Lookup:
        """Finds categories by what people write."""
        return Lookup(self.taxonomy)

    @cached_property
    def leaves(self) -> Set[str]:
        """The codes that labels may have."""
        return {leaf.code for leaf in self.taxonomy.leaves}


def answered(taxonomy: Taxonomy, codes: Sequence[str]) -> Set[str]:
    """Return the codes that answers name if a model with these codes serves with this taxonomy."""
    return {after for code in codes if (after := taxonomy.successor(code)) is not None}


class PublishedTaxonomies:
    """The taxonomies of bundles, as workers publish them. Args: keep_days: how long a bundle's stays after that."""

    def __init__(self, redis: Redis, keep_days: int) -> None:
        self._redis = in_bytes(redis)
        self._keep_s = keep_days * 24 * 3600
        self._known: OrderedDict[str, PublishedBundle] = OrderedDict()
        self._lock = Lock()

    def publish(self, bundle: PublishedBundle, *, taken_over: bool = False) -> None:
        """Let the API know the bundle's taxonomy; it is cheap to repeat.

        Args:
            taken_over: The bundle goes into service now, and is the one in service from then on.
        """
        key = f"{_PREFIX}bundle:{bundle.id}"
        if not self._redis.expire(key, self._keep_s):
            document = {"codes": bundle.codes, "categories": list(rows(bundle.taxonomy))}
            content = zlib.compress(json.dumps(document, ensure_ascii=False).encode())
            self._redis.set(key, content, ex=self._keep_s)
        self._redis.set(_SERVED, bundle.id, nx=not taken_over)

    def served(self) -> PublishedBundle | None:
        """Return the bundle in service; `None` before a worker has served one."""
        bundle = self._redis.get(_SERVED)
        return None if bundle is None else self.of(bundle.decode())

    def of(self, bundle: str) -> PublishedBundle | None:
        """Return what was published of this bundle; `None` if nothing is kept of it."""
        with self._lock:
            if (known := self._known.get(bundle)) is not None:
                self._known.move_to_end(bundle)
                return known
        content = self._redis.get(f"{_PREFIX}bundle:{bundle}")
        if content is None:
            return None
        try:
            text = zlib.decompress(content)
            found = PublishedBundle(bundle, from_json(text), tuple(json.loads(text)["codes"]))
        except (ValueError, KeyError, TypeError, zlib.error, TaxonomyError):  # another release's
            return None
        with self._lock:
            self._known[bundle] = found
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return found


class InForce:
    """The taxonomy in force, for all who name categories."""

    def __init__(self, taxonomies: Taxonomies, published: PublishedTaxonomies) -> None:
        self.taxonomies = taxonomies
        self.published = published
        self._known: tuple[tuple[int, str | None], TaxonomyInForce] | None = None

    def now(self) -> TaxonomyInForce:
        """Return the taxonomy in force: two round trips, unless it has changed since. Raises `RedisError`."""
        latest, served = self.taxonomies.latest(), self.published.served()
        key = (latest.number if latest else 0, served.id if served else None)
        if self._known is None or self._known[0] != key:
            own = served.taxonomy if served else RAKUTEN
            taxonomy = latest.taxonomy if latest else own
            codes = served.codes if served else ()
            self._known = (key, TaxonomyInForce(taxonomy, key[0], key[1], codes))
        return self._known[1]
