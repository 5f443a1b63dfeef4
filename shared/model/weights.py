"""The trained networks' weights in a bundle: stored once, in half precision, for all runtimes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Weights = Mapping[str, npt.NDArray[np.float32]]
"""Weights by Keras's paths, such as `forward/lstm_cell/kernel`."""


def save_weights(network: Any, path: Path) -> None:
    """Write the Keras network's weights as float16, and round those of the network in the same way."""
    halves: dict[str, Any] = {weight.path: np.asarray(weight, np.float16) for weight in network.weights}
    np.savez(path, **halves)
    assign(network, load_weights(path))


def load_weights(path: Path) -> Weights:
    with np.load(path) as arrays:
        return {name: arrays[name].astype(np.float32) for name in arrays.files}


def assign(network: Any, weights: Weights) -> None:
    """Set the network's weights; raises `KeyError` for a weight that was not stored."""
    for weight in network.weights:
        weight.assign(weights[weight.path])
    for layer in network.layers:
        if hasattr(layer, "finalize_state"):  # Normalization stores values derived from its weights
            layer.finalize_state()
