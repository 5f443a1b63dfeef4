"""Fusion of both branches' probabilities into one calibrated answer."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Rows = slice | npt.NDArray[np.bool_]
Probabilities = npt.NDArray[np.float32]

_FLOOR = 1e-7


class Fusion(BaseModel):
    """Log-linear pooling: p(class) ∝ exp(bias) · p_text^text · p_image^image, with separate weights for each case.

    A single branch gets one weight, which is the inverse of a temperature (Guo et al. 2017, "On Calibration of Modern
    Neural Networks"); with both branches it is the sum of the two.
    """

    model_config = ConfigDict(frozen=True)

    text: float
    """The text branch's weight if there is a picture too."""
    image: float
    """The image branch's weight if there is a text too."""
    text_alone: float
    image_alone: float
    bias: tuple[float, ...]
    """Bias of each class if there are both text and picture."""

    def both(self, text: Probabilities, image: Probabilities) -> Probabilities:
        """(items, classes) twice to (items, classes)."""
        return softmax(self.text * log(text) + self.image * log(image) + np.asarray(self.bias, np.float32))

    def only_text(self, text: Probabilities) -> Probabilities:
        return softmax(self.text_alone * log(text))

    def only_image(self, image: Probabilities) -> Probabilities:
        return softmax(self.image_alone * log(image))


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


def fuse(fusion: Fusion, text: Probabilities, image: Probabilities) -> Prediction:
    """Fuse each row by its case: both branches, or the one whose row is not NaN."""
    has_text, has_image = ~np.isnan(text[:, 0]), ~np.isnan(image[:, 0])
    cases: list[tuple[npt.NDArray[np.bool_], Callable[[Rows], Probabilities]]] = [
        (has_text & has_image, lambda rows: fusion.both(text[rows], image[rows])),
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
