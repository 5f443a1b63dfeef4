"""The cascade: where the text alone is sure of the category, nobody looks at the picture.

A picture costs a hundred times what a text does, and the surer the text, the more rarely it changes the answer. How
sure a text must be is part of the model: training chooses it (`training.fit.cascade`), and the gate judges it.
"""

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from shared.model.fusion import Fusion, Lengths, Prediction, Probabilities, fuse, log, softmax

Mask = npt.NDArray[np.bool_]


class Cascade(BaseModel):
    """When a picture is not looked at, and how sure the answer is then."""

    model_config = ConfigDict(frozen=True)

    threshold: float
    """The lowest probability of the text branch's best category from which on the picture is not looked at."""
    text: float
    """The weight of a text whose picture is not looked at: as `Fusion.text_alone`, the inverse of a temperature."""
    loss: float
    """The share of right answers that these pictures were expected to add, over all items of the validation split."""
    skipped: float
    """The share of the validation split's pictures beside a text that were not looked at."""

    def only_text(self, text: Probabilities) -> Probabilities:
        """Return the answers to items whose picture is not looked at, (items, classes) to (items, classes)."""
        return softmax(self.text * log(text))


def not_looked_at(cascade: Cascade | None, text: Probabilities, has_picture: Mask) -> Mask:
    """Return which pictures need not be looked at, of shape (items,); without a cascade there are none.

    Args:
        text: The text branch's probabilities, (items, classes); a row of NaN is an item without a text.
    """
    if cascade is None:
        return np.zeros(len(text), bool)
    return np.asarray(has_picture & (text.max(axis=1) >= cascade.threshold))


def fuse_cascaded(
    fusion: Fusion,
    cascade: Cascade | None,
    text: Probabilities,
    image: Probabilities,
    lengths: Lengths,
    skipped: Mask,
) -> Prediction:
    """Fuse each row as `fuse` does, except those whose picture is not looked at: the text alone answers these.

    Args:
        image: What it says of the pictures that are not looked at does not count, and is NaN in the result.
        skipped: What `not_looked_at` returned.
    """
    if cascade is None or not skipped.any():
        return fuse(fusion, text, image, lengths)
    seen = np.where(skipped[:, None], np.float32(np.nan), image)
    if skipped.all():
        return Prediction(cascade.only_text(text), text, seen)
    fused, rest = np.empty_like(text), ~skipped
    fused[skipped] = cascade.only_text(text[skipped])
    fused[rest] = fuse(fusion, text[rest], seen[rest], lengths[rest]).fused
    return Prediction(fused, text, seen)
