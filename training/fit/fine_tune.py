"""Fine-tuning: trains VGG16's last block on the catalogue's pictures before the backbone is frozen, on a GPU."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from shared.model.images import decode
from shared.pipeline.params import FineTuneParams
from training.fit.epoch_bar import EpochBar
from training.fit.schedule import schedule

_LAST_BLOCK = "block5"
_DROPOUT = 0.5
_READ_AHEAD = 4


def fine_tune(
    backbone: Any, examples: Sequence[tuple[bytes, int]], classes: int, params: FineTuneParams, seed: int
) -> None:
    """Train the block in place, under a head that is discarded.

    Args:
        backbone: A backbone from `shared.model.backbone.build_backbone`.
        examples: Encoded pictures of the training split alone, and their class, which is below `classes`.
    """
    for layer in backbone.get_layer("vgg16").layers:
        layer.trainable = layer.name.startswith(_LAST_BLOCK)
    pixels = keras.Input(backbone.input_shape[1:], dtype="uint8")
    roots = keras.ops.sqrt(keras.ops.maximum(backbone(pixels), 1e-6))  # the root's slope at zero is infinite
    kept = keras.layers.Dropout(_DROPOUT)(keras.layers.BatchNormalization()(roots))
    network = keras.Model(pixels, keras.layers.Dense(classes, activation="softmax")(kept))
    steps = -(-len(examples) // params.batch_size)
    rate = schedule(params.learning_rate, params.epochs * steps)
    optimizer = keras.optimizers.Adam(rate, clipnorm=1.0)
    network.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    pictures = _pictures(examples, backbone.input_shape[1], params.batch_size, seed)
    pictures = pictures.apply(tf.data.experimental.assert_cardinality(steps))
    network.fit(pictures, epochs=params.epochs, callbacks=[EpochBar("VGG16's last block")], shuffle=False, verbose=0)


def _pictures(examples: Sequence[tuple[bytes, int]], size: int, batch: int, seed: int) -> Any:
    """Return batches in a new order each epoch; half the pictures are mirrored."""
    random = np.random.default_rng(seed)

    def shuffled() -> Iterator[tuple[Any, int]]:
        for number in random.permutation(len(examples)):
            data, label = examples[number]
            picture = decode(data, size)
            yield (picture[:, ::-1] if random.random() < 0.5 else picture), label

    signature = (tf.TensorSpec((size, size, 3), tf.uint8), tf.TensorSpec((), tf.int64))
    return tf.data.Dataset.from_generator(shuffled, output_signature=signature).batch(batch).prefetch(_READ_AHEAD)
