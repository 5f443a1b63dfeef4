"""VGG16's convolutions as arrays, read from the quantised form that is the only one a bundle holds.

They are read without OpenVINO, which a machine with a GPU does not need otherwise.

Simonyan and Zisserman 2014, "Very Deep Convolutional Networks for Large-Scale Image Recognition". Their network takes
BGR; here the first kernel is reversed, so that it takes decoded pixels as they are.
"""

from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree  # nosec B405

import numpy as np
import numpy.typing as npt

BLOCKS = (2, 2, 3, 3, 3)
"""Convolutions per block; a max-pooling ends each."""
POOLED_BLOCKS = (4, 5)
"""Counted from one. The fourth is pooled too: its textures distinguish products that the fifth, trained for ImageNet's
objects, confuses."""
FEATURES = 2048
"""Average and maximum of the 512 channels of each pooled block."""
IMAGENET_RGB = (123.68, 116.779, 103.939)
"""ImageNet's means, subtracted from VGG16's input (keras.applications' "caffe" mode)."""

_NUMBERS = {"i8": np.int8, "u8": np.uint8, "i32": np.int32, "i64": np.int64, "f16": np.float16, "f32": np.float32}
"""The file's names for the types of its constants."""


class Convolution(NamedTuple):
    kernel: npt.NDArray[np.float32]
    """(height, width, in, out), as in Keras."""
    bias: npt.NDArray[np.float32]
    """(out,)"""


def read_convolutions(path: Path) -> list[Convolution]:
    """Read the convolutions of a quantised OpenVINO network in order, with int8 weights as floating point."""
    network = _Network(path)
    found = []
    for convolution in network.of_type("Convolution"):
        kernel = network.value(network.source(convolution, 1)).transpose(2, 3, 1, 0)
        (consumer,) = network.consumers(convolution)
        # OpenVINO removes biases of zero.
        biased = network.type(consumer) == "Add"
        bias = network.value(network.source(consumer, 1)) if biased else np.zeros(kernel.shape[-1], np.float32)
        found.append(Convolution(kernel, bias.reshape(-1)))
    return found


class _Network:
    """An OpenVINO network on disk: layers and edges in an XML file, the constants' bytes in a file beside it.

    Layers are identified by id; the file has them in the order of computation.
    """

    def __init__(self, path: Path) -> None:
        # A bundle's hashes were checked, and the maker of a bundle decides all its answers anyway.
        root = ElementTree.parse(path).getroot()  # noqa: S314  # nosec B314
        self._layers = {layer.attrib["id"]: layer for layer in root.iterfind("layers/layer")}
        self._sources: dict[str, dict[int, str]] = defaultdict(dict)
        self._consumers: dict[str, list[str]] = defaultdict(list)
        for edge in root.iterfind("edges/edge"):
            source, consumer = edge.attrib["from-layer"], edge.attrib["to-layer"]
            self._sources[consumer][int(edge.attrib["to-port"])] = source
            self._consumers[source].append(consumer)
        self._bytes = np.memmap(path.with_suffix(".bin"), np.uint8, "r")

    def of_type(self, kind: str) -> list[str]:
        return [layer for layer in self._layers if self.type(layer) == kind]

    def type(self, layer: str) -> str:
        return self._layers[layer].attrib["type"]

    def source(self, layer: str, port: int) -> str:
        """Return the layer whose output this port takes."""
        return self._sources[layer][port]

    def consumers(self, layer: str) -> list[str]:
        return self._consumers[layer]

    def value(self, layer: str) -> npt.NDArray[np.float32]:
        """Return a constant that NNCF split into int8 weights, a scale per output channel and conversions."""
        kind = self.type(layer)
        if kind == "Const":
            return self._constant(layer).astype(np.float32)
        inputs = [self.value(source) for _, source in sorted(self._sources[layer].items())]
        if kind == "Multiply":
            return inputs[0] * inputs[1]
        if kind == "Subtract":
            return inputs[0] - inputs[1]
        if kind == "Convert":
            return inputs[0]
        raise ValueError(f"the quantised VGG16 holds a {kind} where a weight was expected")

    def _constant(self, layer: str) -> npt.NDArray[Any]:
        data = self._layers[layer].find("data")
        assert data is not None  # noqa: S101  # a constant always has data
        offset, size = int(data.attrib["offset"]), int(data.attrib["size"])
        shape = [int(length) for length in data.attrib["shape"].split(",") if length.strip()]
        kind = _NUMBERS[data.attrib["element_type"]]
        return self._bytes[offset : offset + size].view(kind).reshape(shape)
