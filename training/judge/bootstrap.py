"""How sure a difference in weighted F1 is: the paired bootstrap (Koehn 2004).

F1 depends on nothing but how many items have each triple of actual class and two answers. So it is not items that are
drawn but counts of triples, by one multinomial: the same distribution, and thousands of resamples take milliseconds.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.judge.scores import Classes

Counts = npt.NDArray[np.int64]

COVERED = 0.95
"""The share of the resamples that the interval holds."""


@dataclass(frozen=True)
class PairedF1:
    """Two models' weighted F1 on the same items, and the interval of their difference."""

    champion: float
    challenger: float
    low: float
    high: float
    """The challenger's gain lies between these in `COVERED` of the resamples."""

    @property
    def gain(self) -> float:
        return self.challenger - self.champion


def compare(
    classes: Classes, champion: Classes, challenger: Classes, *, width: int, resamples: int, seed: int
) -> PairedF1:
    """All three of shape (items,), indices below `width`: what is right, and what either says.

    Raises `ValueError` where there are no items.
    """
    if not len(classes):
        raise ValueError("there is nothing to compare two models on")
    triples, counts = np.unique(np.stack([classes, champion, challenger]), axis=1, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(classes), counts / len(classes), size=resamples)
    gains = weighted_f1(drawn, triples[0], triples[2], width) - weighted_f1(drawn, triples[0], triples[1], width)
    low, high = np.quantile(gains, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    (before,), (after,) = (weighted_f1(counts[None], triples[0], said, width) for said in triples[1:])
    return PairedF1(champion=float(before), challenger=float(after), low=float(low), high=float(high))


def weighted_f1(counts: Counts, actual: Classes, predicted: Classes, width: int) -> npt.NDArray[np.float64]:
    """(samples,) of counts (samples, cells); of each cell the actual and the predicted class."""
    ours = np.eye(width)
    support, said = counts @ ours[actual], counts @ ours[predicted]
    right = counts @ (ours[actual] * ours[predicted])
    f1 = 2 * right / np.maximum(support + said, 1)
    return np.asarray((f1 * support).sum(axis=1) / counts.sum(axis=1))
