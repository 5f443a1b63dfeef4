"""VGG16's convolutions as a Keras network from pixels to pooled features."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import openvino

POOLED_BLOCKS = ("block4_pool", "block5_pool")
FEATURES = 2048
"""Average and maximum of the 512 channels of each pooled block."""

# Means of ImageNet in BGR, as VGG16 was trained (Simonyan and Zisserman 2014; keras.applications' "caffe" mode).
_IMAGENET_BGR = (103.939, 116.779, 123.68)


def build_backbone(size: int) -> Any:
    """(n, size, size, 3) RGB 0 to 255 to (n, `FEATURES`), with random weights.

    VGG16's own preprocessing is part of the network, so that every runtime takes plain pixels. The fourth block is
    pooled too: its textures tell products apart that the fifth, made for ImageNet's objects, takes for the same.
    """
    pixels = keras.Input((size, size, 3), dtype="uint8", name="pixels")
    bgr = keras.ops.flip(keras.ops.cast(pixels, keras.config.floatx()), axis=-1)
    centred = keras.layers.Rescaling(1.0, offset=[-mean for mean in _IMAGENET_BGR])(bgr)
    vgg16 = keras.applications.VGG16(include_top=False, weights=None, input_shape=(size, size, 3))
    blocks = keras.Model(vgg16.input, [vgg16.get_layer(name).output for name in POOLED_BLOCKS], name="vgg16")
    pooled = [
        pool(maps)
        for maps in blocks(centred)
        for pool in (keras.layers.GlobalAveragePooling2D(), keras.layers.GlobalMaxPooling2D())
    ]
    return keras.Model(pixels, keras.layers.Concatenate(name="features")(pooled), name="backbone")


def load_backbone(path: Path, size: int) -> Any:
    """The Keras backbone with the weights of its quantised OpenVINO form, which is the only one that a bundle holds."""
    backbone = build_backbone(size)
    backbone.get_layer("vgg16").set_weights([array for pair in _convolutions(path) for array in pair])
    return backbone


def _convolutions(path: Path) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Kernel (height, width, in, out) and bias of each convolution, in their order."""
    found = []
    for node in openvino.Core().read_model(path).get_ordered_ops():
        if node.get_type_name() == "Convolution":
            kernel = _value(node.input_value(1).get_node()).transpose(2, 3, 1, 0)
            (consumer,) = (port.get_node() for port in node.output(0).get_target_inputs())
            # Biases of zero are optimised away.
            biased = consumer.get_type_name() == "Add"
            bias = _value(consumer.input_value(1).get_node()) if biased else np.zeros(kernel.shape[-1], np.float32)
            found.append((kernel, bias.reshape(-1)))
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
