"""Categories that the bundle in service does not know yet, named by columns fitted to a tenant's decisions."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from redis import Redis, RedisError

from shared.ledger import Guess, ItemStatus, Outcome, ProvisionalColumns, QueuedItem
from shared.model.column import AnsweredText, CategoryColumn, text_features, unpack
from shared.model.projection import Projection
from shared.model.review import PLACES
from shared.taxonomy import Taxonomy
from shared.words import words

log = logging.getLogger(__name__)

_LOOK_AGAIN_S = 1.0
"""Seconds for which it is believed that a tenant's columns are the same."""
_TENANTS = 32
"""Tenants whose columns a worker keeps in memory: a megabyte each at most."""


@dataclass(frozen=True)
class _Known:
    version: str
    columns: Sequence[CategoryColumn]
    looked_at: float


_NONE = _Known("", (), 0.0)


class ProvisionalCategories:
    """Names them after the bundle has answered; used by many threads at once."""

    def __init__(self, redis: Redis) -> None:
        self._columns = ProvisionalColumns(redis)
        self._known = OrderedDict[str, _Known]()
        self._lock = threading.Lock()

    def named(
        self, tenant: str, items: Sequence[QueuedItem], outcomes: Sequence[Outcome], projection: Projection
    ) -> list[Outcome]:
        """Return the outcomes of a tenant's items, some of them with a category that the bundle does not know.

        What people have decided about an item before stays.

        Args:
            projection: The bundle's; a category that it answers with has no column any more.
        """
        columns = _unknown(self._of(tenant), projection)
        if not columns:
            return list(outcomes)
        texts = {item.index: (item.title, item.description) for item in items}
        return [
            _named(outcome, words(*texts[outcome.index]), columns, projection.taxonomy)
            if outcome.status is ItemStatus.SUCCEEDED and not outcome.from_memory
            else outcome
            for outcome in outcomes
        ]

    def _of(self, tenant: str) -> Sequence[CategoryColumn]:
        """The tenant's columns; asks Redis at most once a second, and reads them when they have changed."""
        with self._lock:
            known = self._known.get(tenant, _NONE)
        now = time.monotonic()
        if known is not _NONE and now < known.looked_at + _LOOK_AGAIN_S:
            return known.columns
        try:
            known = replace(self._looked_up(tenant, known), looked_at=now)
        except (RedisError, ValueError) as error:  # of another release
            log.warning("a tenant's provisional categories cannot be read, those known before serve: %s", error)
            return known.columns
        with self._lock:
            self._known[tenant] = known
            self._known.move_to_end(tenant)
            if len(self._known) > _TENANTS:
                self._known.popitem(last=False)
        return known.columns

    def _looked_up(self, tenant: str, known: _Known) -> _Known:
        version = self._columns.version(tenant)
        if version == known.version:
            return known
        version, packed = self._columns.read(tenant)
        return _Known(version, unpack(packed) if version else (), 0.0)


def _unknown(columns: Sequence[CategoryColumn], projection: Projection) -> list[CategoryColumn]:
    """Those of categories that are in force and that the bundle does not answer with, each under its code of now."""
    if not columns:
        return []
    leaves = {leaf.code for leaf in projection.taxonomy.leaves} - projection.columns.keys()
    found = ((projection.taxonomy.successor(column.code), column) for column in columns)
    return [column if column.code == code else replace(column, code=code) for code, column in found if code in leaves]


def _named(outcome: Outcome, read: Sequence[str], columns: Collection[CategoryColumn], taxonomy: Taxonomy) -> Outcome:
    if not read:  # the answer is that of the picture alone
        return outcome
    text = AnsweredText(text_features(read), outcome.guesses[0].confidence)
    lead, best = max(((column.score(text) - column.threshold, column) for column in columns), key=lambda pair: pair[0])
    if lead < 0:
        return outcome
    share, before = best.confidence, {above.code: above.confidence for above in outcome.path}
    above = tuple(
        Guess(category.code, _rounded(share + (1 - share) * before.get(category.code, 0.0)))
        for category in taxonomy.path(best.code)[:-1]
    )
    rest = (Guess(guess.code, _rounded((1 - share) * guess.confidence)) for guess in outcome.guesses)
    return replace(
        outcome,
        guesses=(Guess(best.code, _rounded(share)), *rest)[: max(2, len(outcome.guesses))],
        needs_review=True,
        path=above,
        sure=_still_sure(outcome, above),
        provisional=True,
        audited=None,  # an audit is about the model alone
    )


def _still_sure(outcome: Outcome, above: Sequence[Guess]) -> int:
    """How much of the new path is what the bundle was sure of."""
    sure = 0
    for one, other in zip(outcome.path[: outcome.sure], above, strict=False):
        if one.code != other.code:
            break
        sure += 1
    return sure


def _rounded(share: float) -> float:
    return round(share, PLACES)
