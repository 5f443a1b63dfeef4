"""Fusion of both branches' probabilities into one calibrated answer."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Rows = slice | npt.NDArray[np.bool_]
Probabilities = npt.NDArray[np.float32]

Lengths = npt.NDArray[np.int64]
"""The number of words of each item's text, (items,)."""

_FLOOR = 1e-7
_USUAL_WORDS = 8
_DOUBLINGS = 3.0
"""Beyond 1 and 64 words, a text counts as one of these."""


class Fusion(BaseModel):
    """Log-linear pooling: p(class) ∝ exp(bias) · p_text^text · p_image^image, with separate weights for each case.

    The more words a text has, the less the picture helps: on the challenge's products it adds 15 points of accuracy to
    titles of one to three words, and nothing from seven words on. So both weights depend on the number of words. A
    single branch gets one weight, which is the inverse of a temperature (Guo et al. 2017, "On Calibration of Modern
    Neural Networks"); with both branches it is the sum of the two.
    """

    model_config = ConfigDict(frozen=True)

    text: float
    """The text branch's weight if there is a picture too, of a text of eight words."""
    image: float
    """The image branch's weight if there is a text too, of eight words."""
    text_slope: float = 0.0
    """What is added to `text` each time the number of words doubles, and taken off each time it halves."""
    image_slope: float = 0.0
    """The same for `image`."""
    text_alone: float
    image_alone: float
    bias: tuple[float, ...]
    """Bias of each class if there are both text and picture."""

    def weights(self, lengths: Lengths) -> npt.NDArray[np.float32]:
        """Return the weights of text and image if there are both, (items, 2)."""
        slopes = np.array([self.text_slope, self.image_slope])
        found = np.array([self.text, self.image]) + doublings(lengths)[:, None] * slopes
        return np.asarray(np.maximum(found, 0), np.float32)

    def both(self, text: Probabilities, image: Probabilities, lengths: Lengths) -> Probabilities:
        """(items, classes) twice to (items, classes)."""
        weights = self.weights(lengths)
        return softmax(weights[:, :1] * log(text) + weights[:, 1:] * log(image) + np.asarray(self.bias, np.float32))

    def only_text(self, text: Probabilities) -> Probabilities:
        return softmax(self.text_alone * log(text))

    def only_image(self, image: Probabilities) -> Probabilities:
        return softmax(self.image_alone * log(image))


def doublings(lengths: Lengths) -> npt.NDArray[np.float64]:
    """Return how many times eight words must be doubled to make the text's words, (items,); negative for fewer."""
    return np.asarray(np.clip(np.log2(np.maximum(lengths, 1) / _USUAL_WORDS), -_DOUBLINGS, _DOUBLINGS))


def log(probabilities: Probabilities) -> Probabilities:
    logarithms = np.maximum(probabilities, _FLOOR, dtype=np.float32)
    return np.log(logarithms, out=logarithms)


def softmax(scores: npt.NDArray[np.floating]) -> Probabilities:
    """Along the last axis."""
    exponents = scores - scores.max(axis=-1, keepdims=True)
    np.exp(exponents, out=exponents)  # in place: of thousands of classes, copies take longer than the arithmetic
    exponents /= exponents.sum(axis=-1, keepdims=True)
    return np.asarray(exponents, np.float32)


@dataclass(frozen=True)
class Prediction:
    """The model's answers to a batch: fields of shape (items, classes), with rows of NaN for a branch without input."""

    fused: Probabilities
    text: Probabilities
    image: Probabilities


def fuse(fusion: Fusion, text: Probabilities, image: Probabilities, lengths: Lengths) -> Prediction:
    """Fuse each row by its case: both branches, or the one whose row is not NaN.

    Args:
        text: The text branch's probabilities, (items, classes).
        image: The image branch's, of the same shape.
    """
    has_text, has_image = ~np.isnan(text[:, 0]), ~np.isnan(image[:, 0])
    cases: list[tuple[npt.NDArray[np.bool_], Callable[[Rows], Probabilities]]] = [
        (has_text & has_image, lambda rows: fusion.both(text[rows], image[rows], lengths[rows])),
        (has_text & ~has_image, lambda rows: fusion.only_text(text[rows])),
        (~has_text & has_image, lambda rows: fusion.only_image(image[rows])),
    ]
    for chosen, answers in cases:
        if len(chosen) and chosen.all():  # as for most batches: nothing is copied
            return Prediction(answers(slice(None)), text, image)
    fused = np.full_like(text, np.nan)
    for chosen, answers in cases:
        if chosen.any():
            fused[chosen] = answers(chosen)
    return Prediction(fused, text, image)
