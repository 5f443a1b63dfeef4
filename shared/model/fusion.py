"""Fusion of both branches' probabilities into one calibrated answer."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

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
    return np.asarray(np.log(np.maximum(probabilities, _FLOOR)), np.float32)


def softmax(scores: npt.NDArray[np.floating]) -> Probabilities:
    """Along the last axis."""
    exponents = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=-1, keepdims=True), np.float32)


@dataclass(frozen=True)
class Prediction:
    """The model's answers to a batch: fields of shape (items, classes), with rows of NaN for a branch without input."""

    fused: Probabilities
    text: Probabilities
    image: Probabilities


def fuse(fusion: Fusion, text: Probabilities, image: Probabilities) -> Prediction:
    """Fuse each row by its case: both branches, or the one whose row is not NaN."""
    has_text, has_image = ~np.isnan(text[:, 0]), ~np.isnan(image[:, 0])
    fused = np.full_like(text, np.nan)
    both, only_text, only_image = has_text & has_image, has_text & ~has_image, ~has_text & has_image
    if both.any():
        fused[both] = fusion.both(text[both], image[both])
    if only_text.any():
        fused[only_text] = fusion.only_text(text[only_text])
    if only_image.any():
        fused[only_image] = fusion.only_image(image[only_image])
    return Prediction(fused, text, image)
