"""What every contender serves: the same networks, preparation and fusion, one compiled TensorFlow function."""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contenders.export import FOLDER, IMAGE_NETWORK, SIZE
from shared.model.bundle import MANIFEST, TEXT, VOCABULARY, Manifest
from shared.model.fusion import Probabilities
from shared.model.images import Pixels, decode
from shared.model.networks import restore_text
from shared.model.text import TextEncoder
from shared.model.weights import load_weights
from shared.words import words

BATCH = 8
"""Requests that are computed together: with 16 in flight the next eight are read while eight are computed."""


@dataclass(frozen=True)
class Prepared:
    words: list[str]
    pixels: Pixels


@dataclass(frozen=True)
class Answer:
    code: str
    confidence: float


def prepare(request: Mapping[str, str]) -> Prepared:
    """A request's title and description, and its picture, a JPEG in base64."""
    pixels = decode(base64.b64decode(request["image"]), SIZE)
    return Prepared(words(request["title"], request["description"]), pixels)


class Networks:
    """The bundle's two networks, and what stands before and behind them."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or Path(os.environ[FOLDER])
        self.text = restore_text(load_weights(folder / TEXT))
        self.image = keras.models.load_model(folder / IMAGE_NETWORK)
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
        self.encoder = TextEncoder(np.load(folder / VOCABULARY), manifest.max_words, manifest.max_subwords)
        self._fusion, self._labels = manifest.fusion, tuple(map(str, manifest.labels))

    def answers(self, items: Sequence[Prepared], text: Probabilities, image: Probabilities) -> list[Answer]:
        """(n, classes) twice to n answers."""
        fused = self._fusion.both(text, image, np.array([len(item.words) for item in items]))
        best = fused.argmax(axis=1)
        return [Answer(self._labels[index], float(row[index])) for index, row in zip(best.tolist(), fused, strict=True)]


class Classifier:
    """Both networks as one compiled function with a fixed signature: TensorFlow's fastest way to call them."""

    def __init__(self, folder: Path | None = None) -> None:
        self._networks = Networks(folder)
        signature = [tf.TensorSpec((None, None, None), "int32"), tf.TensorSpec((None, SIZE, SIZE, 3), "uint8")]
        self._compute = tf.function(self._probabilities, input_signature=signature)

    def __call__(self, items: Sequence[Prepared]) -> list[Answer]:
        tokens = self._networks.encoder.encode([item.words for item in items])
        text, image = self._compute(tokens, np.stack([item.pixels for item in items]))
        return self._networks.answers(items, text.numpy(), image.numpy())

    def _probabilities(self, tokens: Any, pixels: Any) -> tuple[Any, Any]:
        return self._networks.text(tokens, training=False), self._networks.image(pixels, training=False)
