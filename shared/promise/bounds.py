"""Bounds of the precision of audited answers, valid at all times: one may look after every answer, and stop whenever.

For a rate λ, the product of exp(-λ·wrong) over its expectation is a non-negative martingale, and so is the average of
several of them (Robbins, "Statistical Methods Related to the Law of the Iterated Logarithm", 1970; Howard, Ramdas,
McAuliffe, Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 2021; as bets
in Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 2024). By Ville's
inequality it ever exceeds 1 / (1 - `SURE`) with a probability of at most 1 - `SURE`. The shares of wrong answers that
it excludes at a moment are outside the bound.

The share need not stay the same. log(1 + p·c) is concave in p, so with the mean of the shares so far in the place of
each, the product becomes smaller: the bound is one of that mean, whatever drifts, and though the threshold moves with
what was seen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import exp, expm1, log, log1p

SURE = 0.95
"""The probability that a bound holds at all times."""
_RATES = tuple(0.05 * 2**step for step in range(7))
"""Bets on a difference of a few per cent of thousands of answers, up to one that hundreds show."""
_STEPS = 30
"""Halvings of an interval: to a billionth."""


@dataclass(frozen=True)
class Precision:
    """What is known of a precision from audited answers."""

    audited: int = 0
    right: int = 0

    def __add__(self, other: "Precision") -> "Precision":
        return Precision(self.audited + other.audited, self.right + other.right)

    @property
    def estimate(self) -> float | None:
        return self.right / self.audited if self.audited else None

    @cached_property
    def at_least(self) -> float:
        """The lower bound, of which one is `SURE`; 0 without an answer."""
        if not self.audited:
            return 0.0
        return 1 - _last(lambda share: not self._excludes(share, -1), 1 - self.right / self.audited, 1.0)

    @cached_property
    def at_most(self) -> float:
        """The upper bound, of which one is `SURE`; 1 without an answer."""
        if not self.audited:
            return 1.0
        return 1 - _last(lambda share: not self._excludes(share, 1), 1 - self.right / self.audited, 0.0)

    def _excludes(self, share: float, sign: int) -> bool:
        """Whether bets that wrong answers are rarer (-1) or more frequent (1) than this share have won enough."""
        wrong = self.audited - self.right
        if share >= 1 or share <= 0:
            return share >= 1 if sign < 0 else wrong > 0
        won = [sign * rate * wrong - self.audited * log1p(share * expm1(sign * rate)) for rate in _RATES]
        most = max(won)
        together: float = most + log(sum(exp(each - most) for each in won) / len(won))
        return together >= -log(1 - SURE)


def _last(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return the value nearest to `outside` at which this holds; it holds at `inside`, and changes once."""
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return inside
