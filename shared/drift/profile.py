"""What goes into a model and comes out of it, as counts: of its validation split, of a day's items.

The bins are fixed, so that profiles of any items can be added up and compared. Every count is a whole number: sums are
exact, come out the same in any order, and can be kept as counters in Redis. No item can be told from a profile.
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
    """One item as the model saw it, and what it answered."""

    code: int
    """The product type's."""
    confidence: float
    words: int
    """Of the whole text."""
    unknown: float
    """The share of the words read that the vocabulary does not hold as wholes."""
    picture: bool


class DriftFeature(StrEnum):
    """What a profile has a histogram of."""

    TYPE = "type"
    CONFIDENCE = "confidence"
    WORDS = "words"
    UNKNOWN = "unknown_words"
    """Of the items that have words."""
    PICTURE = "picture"


_CONFIDENCE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Where a bin ends and the next begins, which holds the border itself. Finer at the top, where a good model's are."""
_WORDS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256)
"""The first bin holds the items without text."""
_UNKNOWN = (0.0001, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1)
"""The first bin holds the texts of which every word is known, the last those of which none is."""
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
"""The bins' names, for people, in their order; `a to b` holds a and not b."""

_SCALE = 10_000
"""Confidences are counted in units of their last decimal."""
_ITEMS, _CONFIDENCE_SUM, _CONFIDENCE_SQUARES = "items", "confidence_sum", "confidence_squares"
_NAMES = {feature: tuple(f"{feature}:{index}" for index in range(len(bins))) for feature, bins in BINS.items()}
_OF_TYPE = dict(zip(CODES, _NAMES[DriftFeature.TYPE], strict=True))


@dataclass(frozen=True)
class Profile:
    """Histograms of a set of items; profiles of disjoint sets are added with `+`."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """`items`, `<feature>:<index of the bin>`, and the sums of confidences and of their squares; none is zero."""

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
        """A count per bin of `BINS`."""
        return [self.counts.get(name, 0) for name in _NAMES[feature]]

    @property
    def confidence(self) -> float | None:
        """The mean; `None` over no items."""
        return self.counts.get(_CONFIDENCE_SUM, 0) / _SCALE / self.items if self.items else None

    @property
    def confidence_error(self) -> float | None:
        """How far the share of right answers may be from `confidence` by chance, one standard deviation.

        Each answer is right or not with a probability of its own, its confidence: the variance is Σ p (1 - p) / n².
        """
        if not self.items:
            return None
        total = self.counts.get(_CONFIDENCE_SUM, 0) / _SCALE
        squares = self.counts.get(_CONFIDENCE_SQUARES, 0) / _SCALE**2
        return sqrt(max(total - squares, 0.0)) / self.items


class Reference(BaseModel):
    """What a model is compared with while it serves: its answers to its validation split."""

    model_config = ConfigDict(frozen=True)

    accuracy: float
    """The share of right answers."""
    counts: dict[str, int]

    @property
    def profile(self) -> Profile:
        return Profile(self.counts)
