"""The image branch: fits the head on VGG16's features."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from shared.model.networks import image_network
from shared.pipeline.params import ImageParams
from training.fit.schedule import schedule
from training.fit.targets import Targets
from training.fit.training_loop import Batch, History, batching, fit
from training.pipeline.prepared import Items

_LEAST_VARIANCE = 1e-4
"""A share of the features' mean square; the starter's smallest variance is five times as large."""


def fit_image(training: Items, validation: Items, params: ImageParams, seed: int) -> tuple[Any, History]:
    """Return the fitted head and its history.

    It learns from mixtures of two pictures' features (Zhang et al. 2018, "mixup"). Without a picture to learn from it
    finds every category equally likely, and there is no history.
    """
    width = len(training.categories)
    network = image_network(training.features.shape[1], width, units=params.units, dropout=params.dropout)
    usable, checked = training.has_image, validation.has_image
    if not usable.any():
        layer = network.get_layer("classes")
        layer.set_weights([np.zeros_like(weights) for weights in layer.get_weights()])
        return network, []
    features, targets = training.features[usable].astype(np.float32), Targets.one_hot(training.classes[usable], width)
    _standardise(network.get_layer("standardise"), np.sqrt(np.maximum(features, 0)))
    random = np.random.default_rng(seed)
    size, steps = batching(len(features), params.batch_size)

    def mixtures() -> Iterator[Batch]:
        order = random.permutation(len(features))
        for start in range(0, len(order), size):
            one = order[start : start + size]
            other = random.permutation(one)
            share = random.beta(params.mixup, params.mixup, (len(one), 1)).astype(np.float32)
            yield (
                share * features[one] + (1 - share) * features[other],
                share * targets.dense(one) + (1 - share) * targets.dense(other),
            )

    check = [
        (
            validation.features[checked].astype(np.float32),
            Targets.one_hot(validation.classes[checked], width).dense(slice(None)),
        )
    ]
    rate = schedule(params.learning_rate, params.epochs * steps)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=params.weight_decay)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=params.label_smoothing)
    return network, fit(network, "image", mixtures, steps, check, optimizer, loss, params.epochs)


def _standardise(layer: Any, roots: npt.NDArray[np.float32]) -> None:
    """Adapt the layer, with a lowest variance.

    Where nearly all pictures are the same one, a placeholder for example, the variance is next to nothing: rounding
    would become the largest signal there is, and the answers of two precisions would have nothing in common.
    """
    layer.adapt(roots)
    mean, variance, count = layer.get_weights()
    layer.set_weights([mean, np.maximum(variance, _LEAST_VARIANCE * np.square(roots).mean()), count])
    layer.finalize_state()
