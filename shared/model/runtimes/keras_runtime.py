"""The common part of the runtimes on Keras: networks, precision, sizes of batches."""

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from shared.model.bundle import BACKBONE, IMAGE, TEXT, Bundle
from shared.model.fusion import Probabilities
from shared.model.images import Pixels
from shared.model.runtimes import Features
from shared.model.runtimes.padding import Array, Padded
from shared.model.weights import load_weights

Precision = Literal["bf16", "f32"]

_PICTURES = (1, 2, 4, 8, 16, 32, 64)
_ROWS = (1, 4, 16, 32, 64, 128, 256)
"""Sizes of a batch of pictures, and of texts or features."""


class KerasRuntime(ABC):
    """A bundle's networks in Keras 3, compiled by the backend that a subclass stands for.

    Raises:
        RuntimeError: Keras already runs on another backend in this process.
    """

    backend: ClassVar[str]
    """Keras's name of the backend."""

    def __init__(self, bundle: Bundle, precision: Precision | None = None) -> None:
        """`precision` is that of VGG16, by default bf16 if the device is faster with it; the heads are in f32."""
        _select(self.backend)
        # Imported late, because importing Keras fixes the process's backend.
        from shared.model.backbone import load_backbone
        from shared.model.networks import compute_in_bf16, restore_image, restore_text

        self.precision: Precision = precision or self._fastest_precision()
        backbone = load_backbone(bundle.folder / BACKBONE, bundle.manifest.image_size)
        if self.precision == "bf16":
            compute_in_bf16(backbone.get_layer("vgg16"))
        self._features = Padded(self._compile(backbone), _PICTURES)
        self._text = Padded(self._compile(restore_text(load_weights(bundle.folder / TEXT))), _ROWS)
        self._image = Padded(self._compile(restore_image(load_weights(bundle.folder / IMAGE))), _ROWS)
        self.name = f"{self.backend} {self.precision}"

    def text(self, tokens: npt.NDArray[np.int32]) -> Probabilities:
        return self._text(tokens)

    def features(self, pixels: Pixels) -> Features:
        return self._features(pixels)

    def image(self, features: Features) -> Probabilities:
        return self._image(features)

    @abstractmethod
    def _compile(self, network: Any) -> Callable[[Array], Any]:
        """The Keras network as one function, from an array of its input's type."""

    @abstractmethod
    def _fastest_precision(self) -> Precision:
        """Return the fastest precision for VGG16 on this device."""


def backend_is_free(name: str) -> bool:
    """Whether Keras runs, or could still run, on this backend in this process."""
    keras = sys.modules.get("keras")
    return keras is None or keras.config.backend() == name


def _select(backend: str) -> None:
    if not backend_is_free(backend):
        raise RuntimeError(
            f"Keras already runs on {sys.modules['keras'].config.backend()} in this process, and a process has one "
            f"backend: for {backend}, start it with KERAS_BACKEND={backend}"
        )
    os.environ["KERAS_BACKEND"] = backend
