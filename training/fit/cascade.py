"""The cascade: fits from which confidence of the text on the picture is not looked at, on the validation split."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.model.cascade import Cascade, not_looked_at
from shared.model.fusion import Probabilities
from training.fit.fusion import fit_alone, has_answer

_THRESHOLDS = tuple(round(number / 100, 2) for number in range(99, 29, -1))
"""The thresholds to choose from, the strictest first."""


class Skipping(NamedTuple):
    """What a threshold costs and saves."""

    threshold: float
    loss: float
    """The share of right answers lost, of all items."""
    skipped: float
    """The share of the pictures beside a text that are not looked at."""


def fit_cascade(
    text: Probabilities, image: Probabilities, fused: Probabilities, classes: npt.NDArray[np.int64], loss: float
) -> Cascade | None:
    """Return the cascade that skips the most pictures for at most this loss; `None` if it would skip none.

    Args:
        text: The text branch's probabilities, (items, classes), a row of NaN for an item without a text.
        image: The image branch's, of the same shape.
        fused: The fused ones, each by a fusion that was fitted without this item, so that they are not too sure.
        loss: The share of right answers that may be lost, of all items; 0 switches the cascade off.
    """
    affordable = [each for each in skippings(text, image, fused) if each.loss <= loss and each.skipped > 0]
    if not affordable or not loss:
        return None
    unfitted = Cascade(**affordable[-1]._asdict(), text=1.0)
    skipped = not_looked_at(unfitted, text, has_answer(image))
    return unfitted.model_copy(update={"text": fit_alone(text[skipped], classes[skipped])})


def skippings(text: Probabilities, image: Probabilities, fused: Probabilities) -> list[Skipping]:
    """Return what each threshold costs and saves, the strictest first; the arguments are those of `fit_cascade`.

    The loss is the one to be expected: where the picture changes the answer, by how much the fused probability of the
    new answer exceeds that of the text's. Counting the answers that become right or wrong gives the same on average,
    but of 1,467 items the pictures of sure texts change a handful, which is chance.
    """
    both = np.flatnonzero(has_answer(text) & has_answer(image))
    if not len(both):
        return []
    confidence, kept = text[both].max(axis=1), text[both].argmax(axis=1)
    gain = fused[both].max(axis=1) - fused[both, kept]
    found = []
    for threshold in _THRESHOLDS:
        sure = confidence >= threshold
        found.append(Skipping(threshold, float(gain[sure].sum() / len(text)), float(sure.mean())))
    return found
