"""Fits a column to people's decisions for each category that the bundle in service does not know yet."""

import heapq
import logging
import time
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from redis import Redis

from shared.ledger import FittedColumns, Memory, Outcome, ProvisionalColumns, QueuedItem, RecentItems
from shared.model.column import WORDS_READ, AnsweredText, CategoryColumn, TextFeatures, pack, text_features
from shared.model.column_fit import LEAST_EXAMPLES, fit
from shared.settings import Settings
from shared.stores.decisions import Decision, DecisionStore
from shared.stores.taxonomies import LatestTaxonomy
from shared.stores.taxonomy_in_force import PublishedTaxonomies, TaxonomyInForce
from shared.telemetry.logs import bound
from shared.words import words

log = logging.getLogger(__name__)

_TURN_S = 5.0
"""A turn begins with no further tenant after this time; the next turn goes on with it."""
_AGAIN_S = 3600.0
"""Seconds after which a tenant's columns are fitted again, because the items that it sends may have changed."""
_CATEGORIES = 50
"""Categories of a tenant that get a column: those with the most examples."""
_EXAMPLES = 200
"""Examples of a category that count: the latest."""
_OTHERS = 2000
"""Other items that the examples are held against, of the tenant's latest jobs."""
_UNKNOWN = 0.5
"""The confidence of a model that was not asked about an example, because the memory knew it."""
_TEXTS_KEPT = 20_000
"""Examples whose words are kept in memory, up to a kilobyte each: another decision makes another fit necessary."""


class _Example(NamedTuple):
    words: str
    """Joined by blanks."""
    confidence: float


_Examples = Mapping[str, Sequence[str]]
"""By category, the places of the decisions about its examples, which are different items."""


class NewCategories:
    """Keeps the columns of all tenants as their decisions are."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._columns = ProvisionalColumns(redis)
        self._memory = Memory(redis)
        self._recent = RecentItems(redis)
        self._taxonomies = LatestTaxonomy(redis)
        self._published = PublishedTaxonomies(redis, settings.keep_drift_days)
        self._decisions = DecisionStore(settings.labels_url)
        self._texts = OrderedDict[tuple[str, str], _Example]()

    def fit_due(self) -> None:
        """Fit the columns of the tenants whose decisions have changed, or whose columns are an hour old.

        Raises:
            RedisError: Redis cannot be reached; the next turn does it.
        """
        if (in_force := self._in_force()) is None:
            return
        until = time.monotonic() + _TURN_S
        for tenant, last in self._columns.deciding().items():
            fitted = FittedColumns(f"{last} {in_force.bundle} {in_force.digest}", self._columns.now())
            before = self._columns.fitted(tenant)
            if before is not None and before.basis == fitted.basis and fitted.at < before.at + _AGAIN_S:
                continue
            with bound(tenant=tenant):
                try:
                    self._columns.put(tenant, fitted, self._fitted(tenant, in_force))
                except OSError as error:
                    log.warning("new categories wait for a column: the decisions cannot be read: %s", error)
            if time.monotonic() > until:
                return

    def _in_force(self) -> TaxonomyInForce | None:
        """The taxonomy in force and what the bundle in service makes of it; `None` before one has served."""
        if (served := self._published.served()) is None:
            return None
        latest = self._taxonomies.read()
        taxonomy, number = (served.taxonomy, 0) if latest is None else (latest.taxonomy, latest.number)
        return TaxonomyInForce(taxonomy, number, served.id, served.codes)

    def _fitted(self, tenant: str, in_force: TaxonomyInForce) -> bytes:
        """The tenant's columns, packed; b"" if there are none."""
        examples = self._examples(tenant, in_force)
        if not examples:
            return b""
        texts = self._texts_of(tenant, examples)
        others = _different(self._recent.sample(tenant, _OTHERS))
        columns = list(_fitted_columns(examples, texts, others))
        log.info("%d of %d categories that no training knows have a column", len(columns), len(examples))
        while len(packed := pack(columns) if columns else b"") > self._columns.LARGEST:  # codes may be long
            columns.pop()
        return packed

    def _examples(self, tenant: str, in_force: TaxonomyInForce) -> _Examples:
        """The different items that people gave a leaf that the bundle does not answer with, if there are enough."""
        unknown, found = in_force.leaves - in_force.answered, defaultdict[str, list[str]](list)
        if not unknown:
            return {}
        for decided in self._memory.all(tenant):
            code = None if decided.code is None else in_force.taxonomy.successor(decided.code)
            if code is not None and code in unknown:
                latest = found[code]
                put = heapq.heappush if len(latest) < _EXAMPLES else heapq.heappushpop
                put(latest, decided.place)
        places = {code: sorted(set(latest)) for code, latest in found.items()}
        enough = sorted(code for code, latest in places.items() if len(latest) >= LEAST_EXAMPLES)
        most = sorted(enough, key=lambda code: len(places[code]), reverse=True)[:_CATEGORIES]
        return {code: places[code] for code in most}

    def _texts_of(self, tenant: str, examples: _Examples) -> dict[str, _Example]:
        """The examples by the places of their decisions."""
        places = {place for of_category in examples.values() for place in of_category}
        found = {place: text for place in places if (text := self._texts.get((tenant, place))) is not None}
        for decision in self._decisions.at(places - found.keys()):
            if decision.tenant == tenant:
                found[decision.place] = self._texts[tenant, decision.place] = _example(decision)
        for place in found:
            self._texts.move_to_end((tenant, place))
        while len(self._texts) > _TEXTS_KEPT:
            self._texts.popitem(last=False)
        return found


def _example(decision: Decision) -> _Example:
    known = decision.confidence is not None and decision.guess != decision.code
    read = words(decision.title, decision.description)[:WORDS_READ]
    return _Example(" ".join(read), decision.confidence if known and decision.confidence is not None else _UNKNOWN)


def _fitted_columns(
    examples: _Examples, texts: Mapping[str, _Example], others: Mapping[TextFeatures, float]
) -> Iterator[CategoryColumn]:
    for code, places in examples.items():
        found = (texts[place] for place in places if place in texts)
        # An item with another picture is another item, but no other text.
        own = {text_features(each.words.split()): each.confidence for each in found if each.words}
        rest = [AnsweredText(*other) for other in others.items() if other[0] not in own]
        column = fit(code, [AnsweredText(*each) for each in own.items()], rest)
        if column is not None:
            yield column


def _different(items: Iterable[tuple[QueuedItem, Outcome]]) -> dict[TextFeatures, float]:
    """The items' texts, each once, with how sure the bundle is of its answer; of those that it has answered."""
    found = dict[TextFeatures, float]()
    for item, outcome in items:
        read, best = words(item.title, item.description), outcome.of_bundle
        if read and best is not None:
            found[text_features(read)] = best.confidence
        if len(found) >= _OTHERS:
            break
    return found
