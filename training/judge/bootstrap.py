"""The confidence interval of a difference in weighted F1, by the paired bootstrap (Koehn 2004).

F1 depends only on the number of items with each triple of actual class and two answers. So counts of triples are drawn
instead of items, by one multinomial: the same distribution, and thousands of resamples take milliseconds. That needs a
weighted F1 of many counts at once, which scikit-learn does not have.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from training.judge.scores import Classes

Counts = npt.NDArray[np.int64]

COVERED = 0.95
"""The share of the resamples that lies in the interval."""


@dataclass(frozen=True)
class PairedF1:
    """Two models' weighted F1 on the same items, and the confidence interval of the difference."""

    champion: float
    challenger: float
    low: float
    high: float
    """In a share of `COVERED` of the resamples the challenger's gain lies between `low` and `high`."""

    @property
    def gain(self) -> float:
        return self.challenger - self.champion


def compare(
    classes: Classes, champion: Classes, challenger: Classes, *, width: int, resamples: int, seed: int
) -> PairedF1:
    """Compare two models' answers, given as class indices below `width`, of shape (items,).

    Raises `ValueError` if there are no items.
    """
    if not len(classes):
        raise ValueError("there is no item to compare two models on")
    triples, counts = np.unique(np.stack([classes, champion, challenger]), axis=1, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(classes), counts / len(classes), size=resamples)
    gains = weighted_f1(drawn, triples[0], triples[2], width) - weighted_f1(drawn, triples[0], triples[1], width)
    low, high = np.quantile(gains, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    (before,), (after,) = (weighted_f1(counts[None], triples[0], answers, width) for answers in triples[1:])
    return PairedF1(champion=float(before), challenger=float(after), low=float(low), high=float(high))


def weighted_f1(counts: Counts, actual: Classes, predicted: Classes, width: int) -> npt.NDArray[np.float64]:
    """Return the weighted F1 of each sample, given counts (samples, cells) and each cell's two classes."""
    said_right = actual == predicted
    support, answered = _by_class(counts, actual, width), _by_class(counts, predicted, width)
    right = _by_class(counts[:, said_right], actual[said_right], width)
    f1 = 2 * right / np.maximum(support + answered, 1)
    return np.asarray((f1 * support).sum(axis=1) / counts.sum(axis=1))


def _by_class(counts: Counts, classes: Classes, width: int) -> npt.NDArray[np.float64]:
    """Add up the cells of each class: (samples, width)."""
    cells = np.arange(len(classes))
    membership = csr_matrix((np.ones(len(classes)), (classes, cells)), shape=(width, len(classes)))
    return np.asarray((membership @ counts.T).T)
