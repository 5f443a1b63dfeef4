"""TensorFlow: the GPU's path, and the reference that the others are compared with."""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from shared.model.backbone import load_backbone
from shared.model.bundle import BACKBONE, IMAGE, TEXT, Bundle
from shared.model.fusion import Probabilities
from shared.model.images import Pixels
from shared.model.networks import restore_image, restore_text
from shared.model.runtimes import Features
from shared.model.weights import load_weights

_MAX_BATCH = 64


class TensorFlowRuntime:
    def __init__(self, bundle: Bundle) -> None:
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        self._features = _Compiled(load_backbone(bundle.folder / BACKBONE, bundle.manifest.image_size), "uint8")
        self._text = _Compiled(restore_text(load_weights(bundle.folder / TEXT)), "int32")
        self._image = _Compiled(restore_image(load_weights(bundle.folder / IMAGE)), "float32")
        self.name = "tensorflow f32"

    def text(self, tokens: npt.NDArray[np.int32]) -> Probabilities:
        return self._text(tokens)

    def features(self, pixels: Pixels) -> Features:
        return self._features(pixels)

    def image(self, features: Features) -> Probabilities:
        return self._image(features)


class _Compiled:
    """One traced function, called with a few padded batch sizes: `predict` in a loop is slow and leaks."""

    def __init__(self, model: Any, dtype: str) -> None:
        signature = [tf.TensorSpec((None, *model.input_shape[1:]), dtype)]
        self._call = tf.function(lambda batch: model(batch, training=False), input_signature=signature)

    def __call__(self, batch: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        parts = [self._padded(batch[start : start + _MAX_BATCH]) for start in range(0, len(batch), _MAX_BATCH)]
        return np.concatenate(parts)

    def _padded(self, batch: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        size = 1 << (len(batch) - 1).bit_length()  # the next power of two
        padding = [(0, size - len(batch)), *[(0, 0)] * (batch.ndim - 1)]
        return np.asarray(self._call(np.pad(batch, padding)), np.float32)[: len(batch)]
