"""The taxonomy in force as clients see it, rendered once for all who see the same."""

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Annotated, NamedTuple

from api.access.authentication import Principal
from api.dependencies import service
from api.labels.index import LabelIndex
from api.taxonomy.reading import as_csv
from api.taxonomy.schemas import TaxonomyCategoryOut, TaxonomyOut
from shared.drift import Drift
from shared.drift.profile import Reference
from shared.stores.labels import LabelStore
from shared.stores.taxonomy_in_force import CategoryState, InForce, TaxonomyInForce

_KEPT = 4
"""Documents that a process keeps; with 5,000 categories each takes two megabytes, and 50 ms to make."""
_ENOUGH = 5
"""Answers with a category from which the share of right ones among them is told."""


class _Figures(NamedTuple):
    """What the reference tells of a category."""

    share: float | None
    precision: float | None


_NO_FIGURES = _Figures(None, None)


@dataclass(frozen=True)
class Document:
    content: bytes
    etag: str
    media_type: str


class TaxonomyDocuments:
    """The documents of `GET /v1/taxonomy`."""

    def __init__(self, in_force: InForce, drift: Drift, labels: LabelIndex) -> None:
        self._in_force = in_force
        self._drift = drift
        self._labels = labels
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._lock = Lock()

    def json(self, caller: Principal) -> Document:
        """Return all that is known of the categories, with labels that the caller may count."""
        now = self._in_force.now()
        reference = None if now.bundle is None else self._drift.reference(now.bundle)
        labels = self._labels_of_untrained(now, caller)
        facts = f"{now.number} {now.bundle} {reference is not None} {sorted(labels.items())}"
        tag = f"{now.digest}.{hashlib.sha256(facts.encode()).hexdigest()[:8]}"
        if (known := self._known(tag)) is not None:
            return known
        content = _document(now, reference, labels).model_dump_json().encode()
        return self._keep(tag, Document(content, f'"{tag}"', "application/json"))

    def csv(self) -> Document:
        """Return the table that `PUT /v1/taxonomy` takes."""
        now = self._in_force.now()
        tag = f"{now.digest}.csv"
        if (known := self._known(tag)) is not None:
            return known
        return self._keep(tag, Document(as_csv(now.taxonomy), f'"{tag}"', "text/csv; charset=utf-8"))

    def _labels_of_untrained(self, now: TaxonomyInForce, caller: Principal) -> Mapping[str, int]:
        untrained = [leaf.code for leaf in now.taxonomy.leaves if leaf.code not in now.answered]
        if not untrained:
            return {}
        counted = self._labels.counted(None if caller.sees_all_tenants else caller.tenant).codes
        return {code: counted[code] for code in untrained if code in counted}

    def _known(self, tag: str) -> Document | None:
        with self._lock:
            if tag in self._kept:
                self._kept.move_to_end(tag)
            return self._kept.get(tag)

    def _keep(self, tag: str, document: Document) -> Document:
        with self._lock:
            self._kept[tag] = document
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return document


TaxonomyDocumentsDep = Annotated[
    TaxonomyDocuments,
    service(
        lambda stores: TaxonomyDocuments(
            stores.in_force,
            Drift(stores.redis, stores.settings.keep_drift_days),
            LabelIndex(stores.redis, LabelStore(stores.settings.labels_url)),
        )
    ),
]


def _document(now: TaxonomyInForce, reference: Reference | None, labels: Mapping[str, int]) -> TaxonomyOut:
    figures = _figures(now, reference)
    categories = []
    for category in now.taxonomy.categories:
        code, state = category.code, now.state(category.code)
        share, precision = figures.get(code, _NO_FIGURES) if state is CategoryState.SERVED else _NO_FIGURES
        categories.append(
            TaxonomyCategoryOut(
                code=code,
                name=category.name,
                names=dict(category.names),
                parent=category.parent,
                guideline=category.guideline,
                leaf=code in now.leaves,
                state=state,
                moved_to=category.moved_to,
                elsewhere=dict(category.elsewhere),
                share=share,
                precision=precision,
                labels=labels.get(code, 0) if state is CategoryState.UNTRAINED else None,
            )
        )
    return TaxonomyOut(digest=now.digest, number=now.number, bundle=now.bundle, categories=categories)


def _figures(now: TaxonomyInForce, reference: Reference | None) -> Mapping[str, _Figures]:
    """The figures of each category that can be answered, merges applied; empty if the reference has no answers."""
    if reference is None:
        return {}
    given = reference.profile.categories
    answers, right = Counter[str | None](), Counter(reference.right)
    merged: set[str | None] = set()
    for code, count in given.items():
        after = now.taxonomy.successor(code)
        answers[after] += count
        if after != code:
            merged.add(after)
    items = answers.total()
    if not items:
        return {}

    def precision(code: str) -> float | None:
        # How many items of one merged category were answered with another, and so are right now, was not counted.
        known = reference.right is not None and code not in merged and answers[code] >= _ENOUGH
        return round(right[code] / answers[code], 4) if known else None

    return {code: _Figures(round(answers[code] / items, 6), precision(code)) for code in now.answered}
