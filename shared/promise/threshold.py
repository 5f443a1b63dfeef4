"""The threshold from which answers are accepted, chosen by what people decided lately.

How often an answer of a confidence is right is a curve, which two kinds of answers show: those below the threshold, all
of which are looked at, and the audited ones above it. Whether an answer is labelled depends on its confidence alone, so
both count alike. The curve is a logistic regression on the confidence's log odds (Platt, "Probabilistic Outputs for
Support Vector Machines", 1999). It starts from what training knew: that confidences are calibrated. Older answers count
less, so that it follows what changes. The precision from a threshold on is the mean of the curve over the answers of
late, all of which are counted by confidence.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, log, sqrt

BINS = 200
"""Of confidences, for counting; thresholds are edges between them."""
HALF_LIFE_DAYS = 3.0
"""An answer decided this long ago counts half."""
_PRIOR = (0.5, 0.25)
"""Standard deviations of the curve's height and slope from those of calibrated confidences, before any label."""
_FEWEST = 100
"""Labelled answers, as they count by age, below which the threshold stays."""
_MARGIN = 1.0
"""Standard errors by which the expected precision must be above what is promised."""
_LEAST_MOVE = 0.0075
"""Smaller differences are left alone: most are chance."""
_DOWN, HIGHEST = 0.15, 0.99
"""How far below the model's own threshold it may go, and where it ends."""
_ROUNDS = 25


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """An answer that a person has decided about."""

    confidence: float
    right: bool
    age_days: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold, and what is expected of it."""

    value: float
    precision: float | None
    """The expected precision from it on; `None` if too few answers were labelled to tell."""
    error: float
    """The standard error of that."""
    labelled: int
    """How many answers were labelled."""
    at_limit: bool
    """Whether even the highest threshold would not be enough."""


def bin_of(confidence: float) -> int:
    """Return the number of a confidence's bin."""
    return min(int(confidence * BINS + 1e-9), BINS - 1)


def lowest(own: float) -> float:
    """Return how low the threshold may go for a model with this one."""
    return max(round(own - _DOWN, 4), 0.0)


def threshold_for(
    now: float, own: float, promised: float, labelled: Iterable[LabelledAnswer], answers: Mapping[int, int]
) -> Threshold:
    """Return the threshold to have from now on.

    Args:
        now: The one in force.
        own: The model's, as training has chosen it.
        promised: The precision to keep.
        answers: How many answers of late there are in each bin of confidences, accepted or not.
    """
    weights, total, number = _by_bin(labelled)
    height, slope, spread = _fitted(weights)
    if total < _FEWEST or not answers:
        return Threshold(now, None, 0.0, number, at_limit=False)
    chosen, enough = HIGHEST, False
    first, last = bin_of(lowest(own)) + 1, bin_of(HIGHEST)
    sums = _Sums()
    expected = {}
    for place in range(BINS - 1, -1, -1):
        sums.add(place, answers.get(place, 0), height, slope)
        if first <= place <= last:
            precision, error = sums.precision(spread)
            expected[place] = precision, error
            if precision - _MARGIN * error >= promised:
                chosen, enough = place / BINS, True
    if enough and abs(chosen - now) < _LEAST_MOVE:
        chosen = now
    place = min(max(bin_of(chosen), first), last)
    return Threshold(round(chosen, 4), *expected[place], number, at_limit=not enough)


class _Sums:
    """The mean of the curve over answers, and how it changes with the curve."""

    def __init__(self) -> None:
        self._answers = 0
        self._right, self._by_height, self._by_slope = 0.0, 0.0, 0.0

    def add(self, place: int, answers: int, height: float, slope: float) -> None:
        odds = _log_odds(place)
        share = _share(height + slope * odds)
        self._answers += answers
        self._right += answers * share
        self._by_height += answers * share * (1 - share)
        self._by_slope += answers * share * (1 - share) * odds

    def precision(self, spread: tuple[float, float, float]) -> tuple[float, float]:
        """Return the mean and its standard error; of no answers, nothing is right."""
        if not self._answers:
            return 0.0, 0.0
        height, slope, both = spread
        h, s = self._by_height / self._answers, self._by_slope / self._answers
        return self._right / self._answers, sqrt(max(h * h * height + s * s * slope + 2 * h * s * both, 0.0))


def _by_bin(labelled: Iterable[LabelledAnswer]) -> tuple[dict[int, tuple[float, float]], float, int]:
    """Return the weights of all answers and of the right ones, by bin; their sum; and how many there are."""
    found, total, number = dict[int, tuple[float, float]](), 0.0, 0
    for answer in labelled:
        weight = 0.5 ** (max(answer.age_days, 0.0) / HALF_LIFE_DAYS)
        place = bin_of(answer.confidence)
        all_, right = found.get(place, (0.0, 0.0))
        found[place] = all_ + weight, right + weight * answer.right
        total += weight
        number += 1
    return found, total, number


def _fitted(weights: Mapping[int, tuple[float, float]]) -> tuple[float, float, tuple[float, float, float]]:
    """Return the curve's height and slope, and their variances and covariance, by Newton's method."""
    height, slope = 0.0, 1.0
    precision_h, precision_s = _PRIOR[0] ** -2, _PRIOR[1] ** -2
    spread = (_PRIOR[0] ** 2, _PRIOR[1] ** 2, 0.0)
    for _ in range(_ROUNDS):
        grad_h, grad_s = -height * precision_h, (1 - slope) * precision_s
        hh, ss, hs = precision_h, precision_s, 0.0
        for place, (all_, right) in weights.items():
            odds = _log_odds(place)
            share = _share(height + slope * odds)
            off, bend = right - all_ * share, all_ * share * (1 - share)
            grad_h, grad_s = grad_h + off, grad_s + off * odds
            hh, ss, hs = hh + bend, ss + bend * odds * odds, hs + bend * odds
        area = hh * ss - hs * hs
        spread = ss / area, hh / area, -hs / area
        step_h, step_s = (ss * grad_h - hs * grad_s) / area, (hh * grad_s - hs * grad_h) / area
        height, slope = height + step_h, slope + step_s
        if abs(step_h) + abs(step_s) < 1e-9:
            break
    return height, slope, spread


def _log_odds(place: int) -> float:
    """The log odds of the middle of a bin."""
    middle = (place + 0.5) / BINS
    return log(middle / (1 - middle))


def _share(odds: float) -> float:
    return 1 / (1 + exp(-max(min(odds, 50.0), -50.0)))
