"""Profiles: histograms of a model's inputs and answers, over its validation split or a day's items.

The bins are fixed, so that profiles of any items can be added up and compared. Every count is a whole number: sums are
exact, are the same in any order, and can be kept as counters in Redis. A profile reveals no single item.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from math import sqrt
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from shared.taxonomy import RAKUTEN


class Seen(NamedTuple):
    """One item as the model saw it, with the answer."""

    code: str
    """The category that the model answered."""
    confidence: float
    words: int
    """Number of words in the whole text."""
    unknown: float
    """The share of the words read that the vocabulary does not hold as whole words."""
    picture: bool
    looked_at: bool | None = None
    """Whether the model looked at the picture; `None` if there is none, or it was told to look at every one."""


class DriftFeature(StrEnum):
    """The features that a profile has histograms of."""

    TYPE = "type"
    CONFIDENCE = "confidence"
    WORDS = "words"
    UNKNOWN = "unknown_words"
    """Over the items that have words."""
    PICTURE = "picture"
    LOOKED_AT = "picture_looked_at"
    """Over the items with a picture of which the model decided whether to look at it."""


_CONFIDENCE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Borders of the bins, each belonging to the bin above. Finer at the top, where a good model's confidences are."""
_WORDS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256)
"""The first bin holds the items without text."""
_UNKNOWN = (0.0001, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1)
"""The first bin holds texts whose words are all known, the last one texts with no known word."""
_PICTURE = ("without", "with")
_LOOKED_AT = ("no", "yes")


def _between(borders: tuple[float, ...]) -> list[str]:
    return [f"{low:g} to {high:g}" for low, high in pairwise(borders)]


BINS: Mapping[DriftFeature, tuple[str, ...]] = {
    DriftFeature.CONFIDENCE: (f"below {_CONFIDENCE[0]:g}", *_between(_CONFIDENCE), f"{_CONFIDENCE[-1]:g} and more"),
    DriftFeature.WORDS: ("none", *_between(_WORDS), f"{_WORDS[-1]:g} and more"),
    DriftFeature.UNKNOWN: ("none", f"below {_UNKNOWN[1]:g}", *_between(_UNKNOWN[1:]), "all"),
    DriftFeature.PICTURE: _PICTURE,
    DriftFeature.LOOKED_AT: _LOOKED_AT,
}
"""The bins' human-readable names in order; `a to b` includes a but not b. The bins of `TYPE` are categories."""
_SHOWN_CATEGORIES = 50
"""The most frequent categories that have a bin of their own when two profiles are compared."""
OTHER_CATEGORIES = "all others"

_SCALE = 10_000
"""Confidences are counted in units of their last decimal."""
_ITEMS, _CONFIDENCE_SUM, _CONFIDENCE_SQUARES = "items", "confidence_sum", "confidence_squares"
_NAMES = {feature: tuple(f"{feature}:{index}" for index in range(len(bins))) for feature, bins in BINS.items()}
_CATEGORY = "category:"
"""Before a code in the counts."""
_BEFORE = {
    f"{DriftFeature.TYPE}:{number}": f"{_CATEGORY}{code}"
    for number, code in enumerate(sorted((leaf.code for leaf in RAKUTEN.leaves), key=int))
}
"""The names that counts of categories had while there were only Rakuten's."""


@dataclass(frozen=True)
class Profile:
    """Histograms of a set of items; profiles of disjoint sets are added with `+`."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """`items`, `<feature>:<index of the bin>`, `category:<code>`, and the sums of confidences and of their squares.

    Zeros are left out.
    """

    @classmethod
    def of(cls, items: Iterable[Seen]) -> "Profile":
        confidence_names, words_names = _NAMES[DriftFeature.CONFIDENCE], _NAMES[DriftFeature.WORDS]
        unknown_names, picture_names = _NAMES[DriftFeature.UNKNOWN], _NAMES[DriftFeature.PICTURE]
        looked_at_names = _NAMES[DriftFeature.LOOKED_AT]
        bins: list[str] = []
        total = squares = 0
        for code, confidence, words, unknown, picture, looked_at in items:
            bins += (
                _ITEMS,
                confidence_names[bisect_right(_CONFIDENCE, confidence)],
                words_names[bisect_right(_WORDS, words)],
                picture_names[picture],
                _CATEGORY + code,
            )
            if words:
                bins.append(unknown_names[bisect_right(_UNKNOWN, unknown)])
            if looked_at is not None:
                bins.append(looked_at_names[looked_at])
            units = round(confidence * _SCALE)
            total += units
            squares += units * units
        sums = {_CONFIDENCE_SUM: total, _CONFIDENCE_SQUARES: squares} if total else {}
        return cls({**Counter(bins), **sums})

    def __add__(self, other: "Profile") -> "Profile":
        total = Counter(self.counts)
        total.update(other.counts)
        return Profile(dict(total))

    @property
    def items(self) -> int:
        return self.counts.get(_ITEMS, 0)

    @property
    def categories(self) -> dict[str, int]:
        """The number of items by the code of their category, without those that have none."""
        named = ((name, count) for name, count in self.counts.items() if name.startswith(_CATEGORY))
        return {name.removeprefix(_CATEGORY): count for name, count in named}

    def histograms(self, feature: DriftFeature, reference: "Profile") -> list[tuple[str, int, int]]:
        """Return name and counts of each of the feature's bins, here and in the reference.

        Of categories the most frequent of the reference have a bin, and the others one together: with more bins, chance
        alone would move so much that no drift could be seen.
        """
        if feature is not DriftFeature.TYPE:
            names = zip(BINS[feature], _NAMES[feature], strict=True)
            return [(shown, self.counts.get(name, 0), reference.counts.get(name, 0)) for shown, name in names]
        frequent = ((code, _CATEGORY + code) for code in sorted(reference._frequent))
        bins = [(code, self.counts.get(name, 0), reference.counts[name]) for code, name in frequent]
        # Each item is in one category.
        others = self.items - sum(here for _, here, _ in bins)
        return [*bins, (OTHER_CATEGORIES, others, reference.items - sum(there for *_, there in bins))]

    def comparable_with(self, reference: "Profile") -> "Profile":
        """Return the counts that `histograms` looks at: without the rarer categories of the reference."""
        return Profile({name: self.counts[name] for name in reference.compared if name in self.counts})

    @cached_property
    def compared(self) -> tuple[str, ...]:
        """The names of all counts that a comparison with this profile looks at, under those of earlier releases too."""
        categories = [_CATEGORY + code for code in self._frequent]
        earlier = [before for before, name in _BEFORE.items() if name in categories]
        fixed = (name for names in _NAMES.values() for name in names)
        return (_ITEMS, _CONFIDENCE_SUM, _CONFIDENCE_SQUARES, *fixed, *categories, *earlier)

    @cached_property
    def _frequent(self) -> tuple[str, ...]:
        """The codes of the categories that have bins of their own where other profiles are compared with this one."""
        counts = self.categories
        return tuple(sorted(counts, key=lambda code: (-counts[code], code))[:_SHOWN_CATEGORIES])

    @property
    def confidence(self) -> float | None:
        """The mean confidence; `None` without items."""
        return self.counts.get(_CONFIDENCE_SUM, 0) / _SCALE / self.items if self.items else None

    @property
    def confidence_error(self) -> float | None:
        """One standard deviation of the share of right answers around `confidence`, by chance alone.

        Each answer is right with its own confidence as the probability, so the variance is Σ p (1 - p) / n².
        """
        if not self.items:
            return None
        total = self.counts.get(_CONFIDENCE_SUM, 0) / _SCALE
        squares = self.counts.get(_CONFIDENCE_SQUARES, 0) / _SCALE**2
        return sqrt(max(total - squares, 0.0)) / self.items


class Reference(BaseModel):
    """The profile that a bundle is compared with while it serves: its answers to its validation split."""

    model_config = ConfigDict(frozen=True)

    accuracy: float
    """The share of right answers."""
    counts: dict[str, int]
    right: dict[str, int] | None = None
    """The number of right answers by the code of their category, without zeros; `None` in an older bundle."""

    @cached_property
    def profile(self) -> Profile:
        return Profile(renamed(self.counts))


def renamed(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts under today's names: an earlier release named a category by its number among Rakuten's."""
    total: Counter[str] = Counter()
    for name, count in counts.items():
        total[_BEFORE.get(name, name)] += count
    return dict(total)
