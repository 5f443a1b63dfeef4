"""The training loop that fits both branches' networks, and the history that it returns."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training.fit.epoch_bar import EpochBar

History = list[dict[str, float]]
"""Per epoch: `epoch`, `loss`, `accuracy`, `val_loss`, `val_accuracy`."""
Batch = tuple[npt.NDArray[Any], npt.NDArray[np.float32]]
"""Inputs, and targets of shape (items, classes)."""
Batches = Callable[[], Iterator[Batch]]
"""A function that returns the batches of one epoch."""

# A small catalogue gets small batches, so that an epoch has enough steps to learn from.
_SMALLEST_BATCH, _STEPS = 8, 64
_READ_AHEAD = 4


def batching(items: int, wanted: int) -> tuple[int, int]:
    """Return the size of a batch, and the number of batches per epoch."""
    size = min(wanted, max(_SMALLEST_BATCH, items // _STEPS))
    return size, -(-items // size)


def fit(
    network: Any,
    name: str,
    training: Batches,
    steps: int,
    validation: list[Batch],
    optimizer: Any,
    loss: Any,
    epochs: int,
) -> History:
    """Fit the network and return its history; `training` yields `steps` batches per epoch.

    All epochs are run: the schedule ends at a rate so low that stopping early would gain nothing.
    """
    network.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    history = network.fit(
        _dataset(network, training, steps),
        validation_data=_dataset(network, lambda: iter(validation), len(validation)),
        epochs=epochs,
        callbacks=[EpochBar(name)],
        shuffle=False,  # the batches come shuffled
        verbose=0,
    ).history
    return [
        {"epoch": float(epoch), **{column: float(values[epoch]) for column, values in history.items()}}
        for epoch in range(epochs)
    ]


def _dataset(network: Any, batches: Batches, count: int) -> Any:
    signature = (
        tf.TensorSpec((None, *network.input_shape[1:]), network.inputs[0].dtype),
        tf.TensorSpec((None, network.output_shape[1]), tf.float32),
    )
    found = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return found.apply(tf.data.experimental.assert_cardinality(count)).prefetch(_READ_AHEAD)
