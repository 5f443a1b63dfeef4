"""The threshold from which answers are accepted, chosen by what people decided lately.

How often an answer of a confidence is right is a curve, which two kinds of answers show: those below the threshold, all
of which are looked at, and the audited ones above it. Whether an answer is labelled depends on its confidence alone, so
both count alike. The curve is a logistic regression on the confidence's log odds (Platt, "Probabilistic Outputs for
Support Vector Machines", 1999), less a share of lapses: answers that are wrong whatever the confidence, as when a
category begins to mean something else. Only audits show these. The curve starts from what training knew: that
confidences are calibrated. Older answers count less, so that it follows what changes. The precision from a threshold on
is the mean of the curve over the answers of late, all of which are counted by confidence.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

BINS = 200
"""The number of bins in which confidences are counted; thresholds are edges between them."""
HALF_LIFE_DAYS = 4.0
"""An answer decided this long ago counts half."""
_START, _SPREADS = (0.0, 1.0, 0.005), (0.5, 0.25, 0.015)
"""Height, slope and lapses of calibrated confidences, and by how much the curve's may differ before any label."""
_MOST_LAPSES = 0.5
_SIZE = len(_START)
_FEWEST = 100
"""Labelled answers, as they count by age, below which the threshold stays."""
_MARGIN = 2.3
"""Standard errors by which the expected precision must be above what is promised, so that nearly all days keep it."""
_OF_A_DAY = 1_000
"""Accepted answers among which chance alone may not break the promise, if a day has fewer."""
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
    now: float,
    own: float,
    promised: float,
    labelled: Iterable[LabelledAnswer],
    answers: Mapping[int, int],
    days: int = 1,
) -> Threshold:
    """Return the threshold to have from now on.

    Args:
        now: The one in force.
        own: The model's, as training has chosen it.
        promised: The precision to keep.
        answers: How many answers of late there are in each bin of confidences, accepted or not.
        days: The days of these answers.
    """
    weights, total, number = _by_bin(labelled)
    if total < _FEWEST or not answers:
        return Threshold(now, None, 0.0, number, at_limit=False)
    chosen, enough = HIGHEST, False
    first, last = bin_of(lowest(own)) + 1, bin_of(HIGHEST)
    sums = _Sums(_Curve(weights))
    expected = {}
    for place in range(BINS - 1, -1, -1):
        sums.add(place, answers.get(place, 0))
        if first <= place <= last:
            precision, error = sums.precision(days)
            expected[place] = precision, error
            if precision - _MARGIN * error >= promised:
                chosen, enough = place / BINS, True
    if enough and abs(chosen - now) < _LEAST_MOVE:
        chosen = now
    place = min(max(bin_of(chosen), first), last)
    return Threshold(round(chosen, 4), *expected[place], number, at_limit=not enough)


class _Sums:
    """The mean of the curve over answers, and how it changes with the curve's coefficients."""

    def __init__(self, curve: "_Curve") -> None:
        self._curve = curve
        self._answers, self._right = 0, 0.0
        self._slopes = [0.0] * _SIZE

    def add(self, place: int, answers: int) -> None:
        share, slopes = self._curve.at(place)
        self._answers += answers
        self._right += answers * share
        self._slopes = [known + answers * slope for known, slope in zip(self._slopes, slopes, strict=True)]

    def precision(self, days: int) -> tuple[float, float]:
        """Return the mean, and the standard error of a day's precision; of no answers, nothing is right."""
        if not self._answers:
            return 0.0, 0.0
        right, slopes = self._right / self._answers, [slope / self._answers for slope in self._slopes]
        of_curve = sum(one * other for one, other in zip(slopes, _solved(self._curve.known, slopes), strict=True))
        by_chance = right * (1 - right) / max(self._answers / days, _OF_A_DAY)
        return right, sqrt(of_curve + by_chance)


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


class _Curve:
    """The share of right answers over the confidence: (1 - lapse) / (1 + exp(-height - slope · log odds)).

    Fitted by Fisher's scoring. `known` is the information, whose inverse is the coefficients' covariance.
    """

    def __init__(self, weights: Mapping[int, tuple[float, float]]) -> None:
        self._coefficients = list(_START)
        self.known = list[list[float]]()
        for _ in range(_ROUNDS):
            pairs = zip(_START, self._coefficients, _SPREADS, strict=True)
            gradient = [(start - now) / spread**2 for start, now, spread in pairs]
            self.known = [[0.0] * _SIZE for _ in range(_SIZE)]
            for each, spread in enumerate(_SPREADS):
                self.known[each][each] = spread**-2
            for place, (all_, right) in weights.items():
                share, slopes = self.at(place)
                spread = share * (1 - share)
                for one in range(_SIZE):
                    gradient[one] += (right - all_ * share) / spread * slopes[one]
                    for other in range(_SIZE):
                        self.known[one][other] += all_ / spread * slopes[one] * slopes[other]
            steps = _solved(self.known, gradient)
            height, slope, lapse = (now + step for now, step in zip(self._coefficients, steps, strict=True))
            self._coefficients = [height, slope, min(max(lapse, 0.0), _MOST_LAPSES)]
            if max(map(abs, steps)) < 1e-6:
                break

    def at(self, place: int) -> tuple[float, tuple[float, ...]]:
        """Return the share at a bin, and how it changes with each coefficient."""
        height, slope, lapse = self._coefficients
        odds = _log_odds(place)
        curve = 1 / (1 + exp(-max(min(height + slope * odds, 9.0), -9.0)))
        steep = (1 - lapse) * curve * (1 - curve)
        return (1 - lapse) * curve, (steep, steep * odds, -curve)


def _solved(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Solve a small system of equations with a positive definite matrix, by elimination."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for at, row in enumerate(rows):
        for other in rows[at + 1 :]:
            factor = other[at] / row[at]
            for column in range(at, len(row)):
                other[column] -= factor * row[column]
    found = [0.0] * len(rows)
    for at in range(len(rows) - 1, -1, -1):
        known = sum(rows[at][column] * found[column] for column in range(at + 1, len(rows)))
        found[at] = (rows[at][-1] - known) / rows[at][at]
    return found


def _log_odds(place: int) -> float:
    """The log odds of the middle of a bin."""
    middle = (place + 0.5) / BINS
    return log(middle / (1 - middle))
