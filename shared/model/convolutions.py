"""VGG16's convolutions as arrays, read from the quantised form that is the only one a bundle holds.

Simonyan and Zisserman 2014, "Very Deep Convolutional Networks for Large-Scale Image Recognition". Theirs take BGR; here
the first kernel is turned around, so that pixels go in as they are decoded.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import openvino

BLOCKS = (2, 2, 3, 3, 3)
"""Convolutions per block; a max-pooling ends each."""
POOLED_BLOCKS = (4, 5)
"""Counted from one. The fourth is pooled too: its textures tell products apart that the fifth, made for ImageNet's
objects, takes for the same."""
FEATURES = 2048
"""Average and maximum of the 512 channels of each pooled block."""
IMAGENET_RGB = (123.68, 116.779, 103.939)
"""ImageNet's means, which VGG16 was trained without (keras.applications' "caffe" mode)."""


class Convolution(NamedTuple):
    kernel: npt.NDArray[np.float32]
    """(height, width, in, out), as Keras has it."""
    bias: npt.NDArray[np.float32]
    """(out,)"""


def read_convolutions(path: Path) -> list[Convolution]:
    """Of a quantised OpenVINO network, in their order; the weights are what the int8 ones stand for."""
    found = []
    for node in openvino.Core().read_model(path).get_ordered_ops():
        if node.get_type_name() == "Convolution":
            kernel = _value(node.input_value(1).get_node()).transpose(2, 3, 1, 0)
            (consumer,) = (port.get_node() for port in node.output(0).get_target_inputs())
            # Biases of zero are optimised away.
            biased = consumer.get_type_name() == "Add"
            bias = _value(consumer.input_value(1).get_node()) if biased else np.zeros(kernel.shape[-1], np.float32)
            found.append(Convolution(kernel, bias.reshape(-1)))
    return found


def _value(node: Any) -> npt.NDArray[np.float32]:
    """What a constant comes to that NNCF took apart into int8, a scale per output channel, and conversions."""
    kind = node.get_type_name()
    if kind == "Constant":
        return np.asarray(node.get_data(), np.float32)
    inputs = [_value(node.input_value(port).get_node()) for port in range(node.get_input_size())]
    if kind == "Multiply":
        return inputs[0] * inputs[1]
    if kind == "Subtract":
        return inputs[0] - inputs[1]
    if kind == "Convert":
        return inputs[0]
    raise ValueError(f"the quantised VGG16 holds a {kind} where a weight was expected")
