"""TensorFlow: the GPU's path, and the reference that the others are compared with."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from shared.model.backbone import build_backbone
from shared.model.bundle import BACKBONE_WEIGHTS, IMAGE_KERAS, TEXT_KERAS, Bundle
from shared.model.fusion import Probabilities
from shared.model.images import Pixels
from shared.model.runtimes import Features

_MAX_BATCH = 64


class TensorFlowRuntime:
    def __init__(self, bundle: Bundle) -> None:
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        backbone = build_backbone(bundle.manifest.image_size)
        backbone.load_weights(bundle.folder / BACKBONE_WEIGHTS)
        self._features = _Compiled(backbone, "uint8")
        self._text = _Compiled(keras.models.load_model(bundle.folder / TEXT_KERAS), "int32")
        self._image = _Compiled(keras.models.load_model(bundle.folder / IMAGE_KERAS), "float32")
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
