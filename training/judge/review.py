"""The review threshold: how many items can be accepted without review at a given precision."""

import numpy as np
import numpy.typing as npt

from shared.model.fusion import Probabilities
from shared.model.review import PLACES, Review
from training.judge.scores import coverage_curve

Confidence = npt.NDArray[np.float64]
Correct = npt.NDArray[np.bool_]


def judged(probabilities: Probabilities, classes: npt.NDArray[np.int64]) -> tuple[Confidence, Correct]:
    """Return each item's confidence, rounded as in a result, and whether its answer is right.

    An item without an answer has the confidence NaN.
    """
    confidence = probabilities.max(axis=1).astype(np.float64).round(PLACES)
    return confidence, probabilities.argmax(axis=1) == classes


def choose_threshold(confidence: Confidence, correct: Correct, precision: float = 0.95) -> Review:
    """Return the lowest threshold that is precise enough on items of shape (items,).

    Items of equal confidence are accepted together. An item of confidence NaN is never accepted, and counts in the
    coverage.
    """
    curve = coverage_curve(confidence, correct)
    precise_enough = curve[curve["precision"] >= precision]
    if precise_enough.empty:
        return Review(threshold=None, precision=precision, coverage=0)
    lowest = precise_enough.iloc[-1]
    return Review(threshold=float(lowest["threshold"]), precision=precision, coverage=float(lowest["coverage"]))


def review_figures(review: Review, confidence: Confidence, correct: Correct) -> dict[str, float]:
    """Return the threshold's coverage and precision on these items; without precision if it accepts nothing."""
    accepted = np.array([not (np.isnan(value) or review.needs_review(value)) for value in confidence], bool)
    if not accepted.any():
        return {"review_coverage": 0.0}
    return {"review_coverage": float(accepted.mean()), "review_precision": float(correct[accepted].mean())}
