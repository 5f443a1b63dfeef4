"""Profiles: histograms of a model's inputs and answers, over its validation split or a day's items.

The bins are fixed, so that profiles of any items can be added up and compared. Every count is a whole number: sums are
exact, are the same in any order, and can be kept as counters in Redis. A profile reveals no single item.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from math import sqrt
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from shared.taxonomy import CODES


class Seen(NamedTuple):
    """One item as the model saw it, with the answer."""

    code: int
    """The product type that the model answered."""
    confidence: float
    words: int
    """Number of words in the whole text."""
    unknown: float
    """The share of the words read that the vocabulary does not hold as whole words."""
    picture: bool


class DriftFeature(StrEnum):
    """The features that a profile has histograms of."""

    TYPE = "type"
    CONFIDENCE = "confidence"
    WORDS = "words"
    UNKNOWN = "unknown_words"
    """Over the items that have words."""
    PICTURE = "picture"


_CONFIDENCE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Borders of the bins, each belonging to the bin above. Finer at the top, where a good model's confidences are."""
_WORDS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256)
"""The first bin holds the items without text."""
_UNKNOWN = (0.0001, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1)
"""The first bin holds texts whose words are all known, the last one texts with no known word."""
_PICTURE = ("without", "with")


def _between(borders: tuple[float, ...]) -> list[str]:
    return [f"{low:g} to {high:g}" for low, high in pairwise(borders)]


BINS: Mapping[DriftFeature, tuple[str, ...]] = {
    DriftFeature.TYPE: tuple(map(str, CODES)),
    DriftFeature.CONFIDENCE: (f"below {_CONFIDENCE[0]:g}", *_between(_CONFIDENCE), f"{_CONFIDENCE[-1]:g} and more"),
    DriftFeature.WORDS: ("none", *_between(_WORDS), f"{_WORDS[-1]:g} and more"),
    DriftFeature.UNKNOWN: ("none", f"below {_UNKNOWN[1]:g}", *_between(_UNKNOWN[1:]), "all"),
    DriftFeature.PICTURE: _PICTURE,
}
"""The bins' human-readable names in order; `a to b` includes a but not b."""

_SCALE = 10_000
"""Confidences are counted in units of their last decimal."""
_ITEMS, _CONFIDENCE_SUM, _CONFIDENCE_SQUARES = "items", "confidence_sum", "confidence_squares"
_NAMES = {feature: tuple(f"{feature}:{index}" for index in range(len(bins))) for feature, bins in BINS.items()}
_OF_TYPE = dict(zip(CODES, _NAMES[DriftFeature.TYPE], strict=True))


@dataclass(frozen=True)
class Profile:
    """Histograms of a set of items; profiles of disjoint sets are added with `+`."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """`items`, `<feature>:<index of the bin>`, and the sums of confidences and of their squares; zeros are left out."""

    @classmethod
    def of(cls, items: Iterable[Seen]) -> "Profile":
        confidence_names, words_names = _NAMES[DriftFeature.CONFIDENCE], _NAMES[DriftFeature.WORDS]
        unknown_names, picture_names = _NAMES[DriftFeature.UNKNOWN], _NAMES[DriftFeature.PICTURE]
        bins: list[str] = []
        total = squares = 0
        for code, confidence, words, unknown, picture in items:
            bins += (
                _ITEMS,
                _OF_TYPE[code],
                confidence_names[bisect_right(_CONFIDENCE, confidence)],
                words_names[bisect_right(_WORDS, words)],
                picture_names[picture],
            )
            if words:
                bins.append(unknown_names[bisect_right(_UNKNOWN, unknown)])
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

    def histogram(self, feature: DriftFeature) -> list[int]:
        """Return the counts of the feature's bins in `BINS`."""
        return [self.counts.get(name, 0) for name in _NAMES[feature]]

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

    @property
    def profile(self) -> Profile:
        return Profile(self.counts)
