"""The decided items of a tenant whose words are most like those of another item."""

import logging
import math
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Annotated, NamedTuple

from redis import Redis

from api.dependencies import service
from api.jobs.word_index import WordIndex
from shared.ledger import Decided, LatestDecisions, Memory, QueuedItem
from shared.stores.decisions import DecisionStore, identity_of, of_told
from shared.taxonomy import Taxonomy
from shared.words import words

log = logging.getLogger(__name__)

_MOST = 3
"""Items that are named."""
_LEAST = 0.25
"""How similar they are at least. Of 1,000 products of the challenge, held against 2,000 others, 44 % have one that is
as near, and 76 % of what is named has the product's category: 64 % just above this, and 55 % just below."""
_ITEMS = 2_000
"""Different decided items of a tenant that are looked at: the latest."""
_DECISIONS = 10_000
"""Decisions among which these are looked for."""
_WORDS, _LETTERS, _CHARACTERS = 100, 40, 4_000
"""Words of a text that count, letters of a word, and characters of title and description among which the words are:
the longer a description is, the less of it says what the item is."""
_TITLE = 200
"""Characters of a title that are shown."""
_TENANTS = 16
"""Tenants whose items a process keeps: a few megabytes each at most."""
_READ_S = 1.0
"""How long texts are read for one explanation; the latest are read first, and the rest for the next ones."""
_AGAIN_S = 10.0
"""Seconds after which it is tried again to read what could not be read."""
_AT_ONCE = 500


class NearItem(NamedTuple):
    """A decided item."""

    decided: Decided
    """The decision in force, for the category that stands now for the one that was chosen."""
    title: str | None
    """The beginning of its title."""
    similarity: float
    """From 0 to 1."""


class _Text(NamedTuple):
    title: str | None
    """Its beginning."""
    words: frozenset[str]


@dataclass(frozen=True)
class _Known:
    """What is known of a tenant's decided items."""

    stamp: str
    texts: Mapping[str, _Text]
    """By the place of the decision in force, also those without words."""
    shown: Sequence[tuple[str, Decided]]
    """The identities of the items that have words, with the decisions in force, the latest first: as in the index."""
    index: WordIndex
    until: float
    """When texts that are missing are looked for again, by the monotonic clock."""


class NearestItems:
    """Finds them; used by many threads at once. Keeps what it has read until the tenant's people decide again."""

    def __init__(self, redis: Redis, store: DecisionStore) -> None:
        self._latest = LatestDecisions(redis)
        self._memory = Memory(redis)
        self._store = store
        self._known = OrderedDict[str, _Known]()
        self._lock = Lock()

    def to(self, tenant: str, item: QueuedItem, taxonomy: Taxonomy) -> list[NearItem]:
        """Return the nearest decided items of the tenant that are near enough, the nearest first; not the item itself.

        Decisions for a category that is retired or gone do not count.

        Raises:
            RedisError: Redis cannot be reached.
        """
        asked = _text(item.title, item.description).words
        if not asked or (known := self._of(tenant)) is None:
            return []
        own, found = identity_of(item), list[NearItem]()
        for position, similarity in known.index.nearest(asked, _LEAST):
            identity, decided = known.shown[position]
            if identity != own and (now := _in_force(decided, taxonomy)) is not None:
                found.append(NearItem(now, known.texts[decided.place].title, similarity))
                if len(found) == _MOST:
                    break
        return found

    def _of(self, tenant: str) -> _Known | None:
        stamp = self._latest.stamp(tenant)
        if stamp is None:
            return None
        with self._lock:
            known = self._known.get(tenant)
        if known is not None and known.stamp == stamp and time.monotonic() < known.until:
            return known
        made = self._made(tenant, stamp, {} if known is None else known.texts)
        if self._latest.complete():  # else the index of decisions is being made again, and much may be missing
            with self._lock:
                self._known[tenant] = made
                self._known.move_to_end(tenant)
                if len(self._known) > _TENANTS:
                    self._known.popitem(last=False)
        return made

    def _made(self, tenant: str, stamp: str, read_before: Mapping[str, _Text]) -> _Known:
        """Read the decisions in force, which may be later ones than the stamp says, and the texts that are new."""
        remembered = self._memory.same(tenant, self._identities(tenant))
        in_force = {each.decided.place: (identity, each.decided) for identity, each in remembered.items()}
        texts = {place: text for place, text in read_before.items() if place in in_force}
        complete = self._read(tenant, sorted(in_force.keys() - texts.keys(), reverse=True), texts)
        shown = [in_force[place] for place in sorted(texts, reverse=True) if texts[place].words]
        index = WordIndex([texts[decided.place].words for _, decided in shown])
        return _Known(stamp, texts, shown, index, math.inf if complete else time.monotonic() + _AGAIN_S)

    def _identities(self, tenant: str) -> list[str]:
        """The different items that were decided last."""
        found = dict[str, None]()
        for told in self._latest.told(tenant, _DECISIONS):
            decision = of_told(told)
            if decision.decides and decision.identity is not None:
                found[decision.identity] = None
                if len(found) == _ITEMS:
                    break
        return [*found]

    def _read(self, tenant: str, places: Sequence[str], texts: dict[str, _Text]) -> bool:
        """Add the texts of the items that these decisions are about; returns whether all were there to be read."""
        until = time.monotonic() + _READ_S
        try:
            for first in range(0, len(places), _AT_ONCE):
                for decision in self._store.at(places[first : first + _AT_ONCE]):
                    if decision.tenant == tenant:
                        texts[decision.place] = _text(decision.title, decision.description)
                    if time.monotonic() > until:
                        return False
        except OSError as error:
            log.warning("explanations name fewer decided items than there are: decisions cannot be read: %s", error)
            return False
        return all(place in texts for place in places)


NearestItemsDep = Annotated[
    NearestItems, service(lambda stores: NearestItems(stores.redis, DecisionStore(stores.settings.labels_url)))
]


def _text(title: str | None, description: str | None) -> _Text:
    read = words(title and title[:_CHARACTERS], description and description[:_CHARACTERS])[:_WORDS]
    return _Text(title and title[:_TITLE], frozenset(word[:_LETTERS] for word in read))


def _in_force(decided: Decided, taxonomy: Taxonomy) -> Decided | None:
    """The decision for the category that stands for the chosen one now; `None` if there is none."""
    if decided.code is None:
        return decided
    code = taxonomy.successor(decided.code)
    return replace(decided, code=code) if code in taxonomy.by_code else None
