"""The image branch: fits the head on VGG16's features."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from shared.model.networks import image_network
from shared.pipeline.params import ImageParams
from shared.taxonomy import CODES
from training.fit.schedule import schedule
from training.fit.training_loop import Batch, History, batching, fit, one_hot
from training.pipeline.prepared import Items


def fit_image(training: Items, validation: Items, params: ImageParams, seed: int) -> tuple[Any, History]:
    """Return the fitted head and its history.

    It learns from mixtures of two pictures' features (Zhang et al. 2018, "mixup").
    """
    network = image_network(training.features.shape[1], len(CODES), units=params.units, dropout=params.dropout)
    usable, checked = training.has_image, validation.has_image
    features, targets = training.features[usable].astype(np.float32), one_hot(training.classes[usable])
    network.get_layer("standardise").adapt(np.sqrt(np.maximum(features, 0)))
    random = np.random.default_rng(seed)
    size, steps = batching(len(features), params.batch_size)

    def mixtures() -> Iterator[Batch]:
        order = random.permutation(len(features))
        for start in range(0, len(order), size):
            one = order[start : start + size]
            other = random.permutation(one)
            share = random.beta(params.mixup, params.mixup, (len(one), 1)).astype(np.float32)
            yield tuple(share * values[one] + (1 - share) * values[other] for values in (features, targets))

    check = [(validation.features[checked].astype(np.float32), one_hot(validation.classes[checked]))]
    rate = schedule(params.learning_rate, params.epochs * steps)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=params.weight_decay)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=params.label_smoothing)
    return network, fit(network, "image", mixtures, steps, check, optimizer, loss, params.epochs)
