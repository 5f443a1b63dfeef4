"""A column of its own for a category that a model was not trained for: a linear model over a text's words.

It is held against how sure the model is of its own answer, which it mostly is of what it knows, and else rarely.
"""

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log, sqrt
from typing import NamedTuple
from zlib import crc32

WORDS_READ = 100
"""Words of a text that count: a long description says more and more that is no part of what the item is."""
_PLACES = 4
"""Decimals of a weight."""
_DOUBT = 0.85
"""By how much the log odds of the model's own answer lower a score."""
_LEAST, _MOST = 1e-4, 1 - 1e-4
_FORM = 1
"""The form of what `pack` writes; another one is not read."""

TextFeatures = frozenset[int]
"""Hashes of a text's words; like a bundle, a column contains no text."""


def text_features(words: Sequence[str]) -> TextFeatures:
    """Return the features of a text's words, as `shared.words` makes them."""
    return frozenset(crc32(word.encode()) for word in words[:WORDS_READ])


class AnsweredText(NamedTuple):
    """A text, and how sure the model is of its own answer."""

    features: TextFeatures
    confidence: float


def of_doubt(confidence: float) -> float:
    """Return what the model's confidence adds to each score: the more, the less sure it is."""
    within = min(max(confidence, _LEAST), _MOST)
    return -_DOUBT * log(within / (1 - within))


@dataclass(frozen=True)
class CategoryColumn:
    """Tells whether a text is of one category."""

    code: str
    weights: Mapping[int, float]
    """Those of the features that the category's examples have."""
    bias: float
    threshold: float
    """From this score on, a text is of the category."""
    confidence: float
    """The estimated share of right answers from there on."""

    def score(self, text: AnsweredText) -> float:
        found = sum(self.weights[feature] for feature in self._known & text.features)
        return self.bias + (found / sqrt(len(text.features)) if found else 0.0) + of_doubt(text.confidence)

    @cached_property
    def _known(self) -> frozenset[int]:
        return frozenset(self.weights)


def pack(columns: Iterable[CategoryColumn]) -> bytes:
    rows = [
        [
            column.code,
            [*column.weights],
            [round(weight, _PLACES) for weight in column.weights.values()],
            column.bias,
            column.threshold,
            column.confidence,
        ]
        for column in columns
    ]
    return zlib.compress(json.dumps([_FORM, rows], separators=(",", ":")).encode())


def unpack(packed: bytes) -> list[CategoryColumn]:
    """Return the columns that `pack` has written; raises `ValueError` for anything else, as of another release."""
    try:
        form, rows = json.loads(zlib.decompress(packed))
        if form != _FORM:
            raise ValueError(f"columns of form {form}")
        return [
            CategoryColumn(code, dict(zip(hashes, weights, strict=True)), *facts)
            for code, hashes, weights, *facts in rows
        ]
    except (zlib.error, TypeError, KeyError) as error:
        raise ValueError(f"no columns: {error}") from error
