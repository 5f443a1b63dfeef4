"""Fits a column to examples of a category and to other texts, some of which may be of it, too.

A logistic regression by Newton's method, because the workers' environment has neither scikit-learn nor SciPy, and with
it the score of each text by a column that has not seen it, without a fit for each (Rad and Maleki 2018).
"""

from collections import Counter
from collections.abc import Sequence
from math import log, sqrt

import numpy as np
import numpy.typing as npt

from shared.model.column import AnsweredText, CategoryColumn, of_doubt

LEAST_EXAMPLES = 5
_LEAST_OTHERS = 50
"""Below that, it cannot be told how often the column would be wrong."""
_FEATURES = 400
"""The most of a column: those that tell the category best."""
_PENALTY, _BIAS_PENALTY = 0.005, 1e-9
"""Penalties of the squares of the weights, where all texts together count 1."""
_STEPS, _CLOSE = 25, 1e-6
_LIFT = 10.0
"""A column stays silent unless texts of the category pass its threshold this many times as often as others."""
_SOME = 0.02
"""The share of all texts that may pass a threshold before this tells against it: that is about how many are of it."""
_PRIOR = 0.03
"""The share of texts that are of the category, where nothing else is known of it: one of thirty categories."""
_LOWEST, _HIGHEST = 0.5, 0.95
"""Bounds of confidences, which are rough estimates; below a half, the bundle's own answer would come first."""

_Array = npt.NDArray[np.float64]


def fit(code: str, examples: Sequence[AnsweredText], others: Sequence[AnsweredText]) -> CategoryColumn | None:
    """Return a column for the category; `None` if there are too few texts, or it would be wrong too often.

    The same texts give the same column.

    Args:
        examples: Different texts of the category.
        others: Texts as they come. Few of them are of the category.
    """
    if len(examples) < LEAST_EXAMPLES or len(others) < _LEAST_OTHERS:
        return None
    scales = _scales(examples, others)
    rows = _rows([*examples, *others], scales)
    weights, unseen = _fitted(rows, len(examples))
    unseen += [of_doubt(text.confidence) for text in (*examples, *others)]
    chosen = _threshold(unseen[: len(examples)], unseen[len(examples) :])
    if chosen is None:
        return None
    threshold, lift = chosen
    of_features = {feature: float(w * scales[feature]) for feature, w in zip(scales, weights[:-1], strict=True)}
    confidence = min(max(_PRIOR * lift, _LOWEST), _HIGHEST)
    return CategoryColumn(code, of_features, float(weights[-1]), threshold, confidence)


def _scales(examples: Sequence[AnsweredText], others: Sequence[AnsweredText]) -> dict[int, float]:
    """The features that tell the category best, each with how rare it is elsewhere; the best first."""
    own, elsewhere = (Counter(each for text in texts for each in text.features) for texts in (examples, others))
    rarity = {feature: log((len(others) + 1) / (elsewhere[feature] + 0.5)) for feature in own}
    usual = log(len(examples) + 1)

    def told(feature: int) -> float:
        """How many examples have it, times how much likelier they are to have it than others, in logarithms."""
        return own[feature] * (rarity[feature] + log(own[feature] + 0.5) - usual)

    best = sorted(own, key=lambda feature: (-told(feature), feature))[:_FEATURES]
    return {feature: rarity[feature] for feature in best}


def _rows(texts: Sequence[AnsweredText], scales: dict[int, float]) -> _Array:
    """The texts as rows: what each has of the features, in proportion to its length; the last column is 1."""
    columns, wanted = {feature: column for column, feature in enumerate(scales)}, frozenset(scales)
    rows = np.zeros((len(texts), len(scales) + 1))
    for row, text in zip(rows, texts, strict=True):
        for feature in wanted & text.features:
            row[columns[feature]] = scales[feature] / sqrt(len(text.features))
    rows[:, -1] = 1
    return rows


def _fitted(rows: _Array, examples: int) -> tuple[_Array, _Array]:
    """The weights that tell the first rows from the others, and the score of each row by weights fitted without it."""
    is_example = np.arange(len(rows)) < examples
    counts = 0.5 / np.where(is_example, examples, len(rows) - examples)  # the examples as much as all others together
    penalty = np.full(rows.shape[1], _PENALTY)
    penalty[-1] = _BIAS_PENALTY
    weights = np.zeros(rows.shape[1])
    for _ in range(_STEPS):
        error, curvature = _slopes(rows @ weights, is_example, counts)
        step = np.linalg.solve(_hessian(rows, curvature, penalty), rows.T @ error + penalty * weights)
        weights -= step
        if np.abs(step).max() < _CLOSE:
            break
    scores = rows @ weights
    error, curvature = _slopes(scores, is_example, counts)
    influence = np.einsum("ij,ij->i", rows @ np.linalg.inv(_hessian(rows, curvature, penalty)), rows)
    return weights, scores + influence * error / np.maximum(1 - influence * curvature, 1e-9)


def _slopes(scores: _Array, is_example: npt.NDArray[np.bool_], counts: _Array) -> tuple[_Array, _Array]:
    """The first and the second derivative of each row's loss."""
    probabilities = 0.5 + 0.5 * np.tanh(scores / 2)
    return counts * (probabilities - is_example), counts * probabilities * (1 - probabilities)


def _hessian(rows: _Array, curvature: _Array, penalty: _Array) -> _Array:
    hessian: _Array = (rows.T * curvature) @ rows + np.diag(penalty)
    return hessian


def _threshold(examples: _Array, others: _Array) -> tuple[float, float] | None:
    """The best threshold, and how many times as often examples pass it as others; `None` if none is good enough.

    Precision and recall cannot be known, because nobody says which others are of the category. But the square of the
    share of examples that pass, divided by the share of all that pass, is in proportion to their product (Lee and Liu
    2003).
    """
    found = list[tuple[float, float, float]]()
    for threshold in sorted(set(examples.tolist())):
        passing = float((examples >= threshold).mean())
        among_others = (int((others >= threshold).sum()) + 1) / (len(others) + 1)
        if passing >= _LIFT * among_others:
            found.append((passing**2 / (among_others + _SOME), threshold, passing / among_others))
    if not found:
        return None
    _, threshold, lift = max(found)
    below = others[others < threshold]
    # Halfway to the next other text: where the two are far apart, a new text need not be like the examples in all.
    return (threshold + float(below.max()) if len(below) else 2 * threshold) / 2, lift
