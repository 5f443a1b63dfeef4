"""The review threshold: how many items can be accepted without review at a given precision."""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from shared.model.fusion import Probabilities
from shared.model.review import PLACES, Review
from training.judge.scores import coverage_curve

_SURE = 0.8
"""How sure it must be that a threshold keeps its promise; more would cost much coverage: `benchmarks/quality.md`."""

Confidence = npt.NDArray[np.float64]
Correct = npt.NDArray[np.bool_]


def judged(probabilities: Probabilities, classes: npt.NDArray[np.int64]) -> tuple[Confidence, Correct]:
    """Return each item's confidence, rounded as in a result, and whether its answer is right.

    An item without an answer has the confidence NaN.
    """
    confidence = probabilities.max(axis=1).astype(np.float64).round(PLACES)
    return confidence, probabilities.argmax(axis=1) == classes


def choose_threshold(confidence: Confidence, correct: Correct, precision: float = 0.95) -> Review:
    """Return the lowest threshold that is surely precise enough, judged by items of shape (items,).

    It is the lower bound of the precision that must reach `precision`, because the lowest of many thresholds that did
    so by the point estimate is one that chance has favoured. Items of equal confidence are accepted together. An item
    of confidence NaN is never accepted, and counts in the coverage.
    """
    curve = coverage_curve(confidence, correct)
    accepted = (curve["coverage"] * len(confidence)).round().to_numpy()
    precise_enough = curve[lower_bound(curve["precision"].to_numpy(), accepted) >= precision]
    if precise_enough.empty:
        return Review(threshold=None, precision=precision, coverage=0)
    lowest = precise_enough.iloc[-1]
    return Review(threshold=float(lowest["threshold"]), precision=precision, coverage=float(lowest["coverage"]))


def lower_bound(share: npt.NDArray[np.float64], items: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return what a share is at least, in `_SURE` of the cases, if it was found in that many items (at least one).

    It is the lower end of Wilson's score interval (Wilson 1927), which holds for few items and for shares near 1, too.
    scipy's `binomtest` gives it for one share at a time, and a curve has a thousand.
    """
    z = NormalDist().inv_cdf(_SURE)
    spread = z * np.sqrt(share * (1 - share) / items + z**2 / (4 * items**2))
    return np.asarray((share + z**2 / (2 * items) - spread) / (1 + z**2 / items))


def review_figures(review: Review, confidence: Confidence, correct: Correct) -> dict[str, float]:
    """Return the threshold's coverage and precision on these items; without precision if it accepts nothing."""
    accepted = np.array([not (np.isnan(value) or review.needs_review(value)) for value in confidence], bool)
    if not accepted.any():
        return {"review_coverage": 0.0}
    return {"review_coverage": float(accepted.mean()), "review_precision": float(correct[accepted].mean())}
