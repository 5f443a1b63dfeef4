"""The networks as OpenVINO graphs, built from the bundle's weights operation by operation.

OpenVINO's own converter turns a Keras LSTM into a loop over time, at a quarter of the speed of `LSTMSequence`. Tests
hold these graphs' answers against those of the Keras networks in `shared.model.networks`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino
from openvino import opset15 as ops

from shared.model.convolutions import BLOCKS, IMAGENET_RGB, POOLED_BLOCKS, Convolution
from shared.model.weights import Weights

_BATCH_NORM_EPSILON, _NORMALIZATION_EPSILON = 1e-3, 1e-7
"""Keras' defaults."""

PROBE_MAPS = (1, 256, 20, 20)
"""The shape of what `probe_graph` takes."""


def text_graph(weights: Weights, *, bf16: bool = False) -> Any:
    """(n, words, subwords) ids to (n, classes) probabilities, as `shared.model.networks.text_network`.

    Args:
        bf16: Whether it will be computed in bf16. Then the table of subwords is kept in bf16, so that what is looked up
            need not be converted each time. The answers are the same, bit for bit.
    """
    tokens = ops.parameter([-1, -1, -1], np.int32, name="tokens")
    known = ops.convert(ops.not_equal(tokens, _constant(np.int32(0))), "f32")
    there = ops.reduce_max(known, _constant([2]), True)
    own, grams = ops.variadic_split(known, _constant(2), _constant([1, -1])).outputs()
    count = ops.maximum(ops.reduce_sum(grams, _constant([2]), True), _constant(np.float32(1)))
    shares = ops.unsqueeze(ops.concat([own, ops.divide(grams, count)], 2), _constant([2]))
    table = weights["embedding/embeddings"]
    embedded = ops.gather(_bf16_constant(table) if bf16 else _constant(table), tokens, _constant(0))
    vectors = ops.squeeze(ops.matmul(shares, embedded, False, False), _constant([2]))

    strongest = ops.relu(ops.reduce_max(ops.multiply(_states(weights, vectors), there), _constant([1]), False))
    words = ops.maximum(ops.reduce_sum(there, _constant([1]), False), _constant(np.float32(1)))
    bag = ops.divide(ops.reduce_sum(ops.multiply(vectors, there), _constant([1]), False), ops.sqrt(words))
    scores = _dense(weights, "classes", ops.concat([strongest, bag], 1))
    return openvino.Model([ops.softmax(scores, 1)], [tokens], "text")


def image_graph(weights: Weights) -> Any:
    """(n, features) to (n, classes) probabilities, as `shared.model.networks.image_network`."""
    mean, variance = weights["standardise/mean"], weights["standardise/variance"]
    features = ops.parameter([-1, mean.shape[-1]], np.float32, name="features")
    roots = ops.sqrt(ops.maximum(features, _constant(np.float32(0))))
    deviation = np.maximum(np.sqrt(variance), _NORMALIZATION_EPSILON)
    standardised = ops.clamp(ops.divide(ops.subtract(roots, _constant(mean)), _constant(deviation)), -5.0, 5.0)
    scale = weights["normalise/gamma"] / np.sqrt(weights["normalise/moving_variance"] + _BATCH_NORM_EPSILON)
    shift = weights["normalise/beta"] - weights["normalise/moving_mean"] * scale
    hidden = ops.matmul(standardised, _constant(weights["hidden/kernel"] * scale), False, False)
    active = ops.gelu(ops.add(hidden, _constant(shift)), "erf")
    return openvino.Model([ops.softmax(_dense(weights, "classes", active), 1)], [features], "image")


def backbone_graph(convolutions: Sequence[Convolution]) -> Any:
    """(n, height, width, 3) RGB 0 to 255 to (n, `FEATURES`) in floating point, as `shared.model.backbone`."""
    pixels = ops.parameter([-1, -1, -1, 3], np.uint8, name="pixels")
    centred = ops.subtract(ops.convert(pixels, "f32"), _constant(np.array(IMAGENET_RGB, np.float32)))
    maps = ops.transpose(centred, _constant([0, 3, 1, 2]))
    remaining, pooled = iter(convolutions), []
    for block, count in enumerate(BLOCKS, 1):
        for _ in range(count):
            maps = _convolution(next(remaining), maps)
        maps = ops.max_pool(maps, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]).output(0)
        if block in POOLED_BLOCKS:
            pooled += [reduce(maps, _constant([2, 3]), False) for reduce in (ops.reduce_mean, ops.reduce_max)]
    return openvino.Model([ops.concat(pooled, 1)], [pixels], "backbone")


def probe_graph(int8: bool) -> Any:
    """A convolution of `PROBE_MAPS` as VGG16 has in its middle, in int8 as NNCF writes it or in floating point."""
    maps = ops.parameter(PROBE_MAPS, np.float32, name="maps")
    channels = PROBE_MAPS[1]
    kernel = np.random.default_rng(0).integers(-127, 128, (channels, channels, 3, 3), np.int8)
    scale = np.float32(1 / 127)
    if not int8:
        return openvino.Model([_product(maps, _constant(kernel * scale))], [maps], "probe")
    lowest, highest = _constant(np.float32(0)), _constant(np.float32(1))
    levels = ops.fake_quantize(maps, lowest, highest, lowest, highest, 256)
    weights = ops.multiply(ops.convert(_constant(kernel), "f32"), _constant(scale))
    return openvino.Model([_product(levels, weights)], [maps], "probe")


def _convolution(convolution: Convolution, maps: Any) -> Any:
    """Add a convolution of 3 by 3 over maps of shape (n, channels, height, width)."""
    product = _product(maps, _constant(convolution.kernel.transpose(3, 2, 0, 1).copy()))
    return ops.relu(ops.add(product, _constant(convolution.bias.reshape(1, -1, 1, 1))))


def _product(maps: Any, kernel: Any) -> Any:
    ones = [1, 1]
    return ops.convolution(maps, kernel, ones, ones, ones, ones)


def _states(weights: Weights, vectors: Any) -> Any:
    """(n, words, 2 × units): both directions' states over time."""
    cells = [_cell(weights, name) for name in ("forward", "backward")]
    w, r, b = (_constant(np.stack(parts)) for parts in zip(*cells, strict=True))
    units = cells[0][1].shape[1]
    shape = ops.shape_of(vectors)
    batch = ops.gather(shape, _constant([0]), _constant(0))
    length = ops.convert(ops.gather(shape, _constant([1]), _constant(0)), "i32")
    zeros = ops.broadcast(_constant(np.float32(0)), ops.concat([batch, _constant([2, units])], 0))
    sequence = ops.lstm_sequence(vectors, zeros, zeros, ops.broadcast(length, batch), w, r, b, units, "bidirectional")
    by_word = ops.transpose(sequence.output(0), _constant([0, 2, 1, 3]))  # from (n, directions, words, units)
    return ops.reshape(by_word, _constant([0, 0, 2 * units]), True)


def _cell(weights: Weights, name: str) -> tuple[npt.NDArray[np.float32], ...]:
    """Keras orders the gates i, f, c, o along the last axis; OpenVINO f, i, c, o along the first."""
    arrays = (weights[f"{name}/lstm_cell/{part}"] for part in ("kernel", "recurrent_kernel", "bias"))
    return tuple(_reorder(array).T.copy() for array in arrays)


def _reorder(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    i, f, c, o = np.split(array, 4, axis=-1)
    return np.concatenate([f, i, c, o], axis=-1)


def _dense(weights: Weights, name: str, inputs: Any) -> Any:
    product = ops.matmul(inputs, _constant(weights[f"{name}/kernel"]), False, False)
    return ops.add(product, _constant(weights[f"{name}/bias"]))


def _constant(value: Any) -> Any:
    return ops.constant(np.asarray(value))


def _bf16_constant(values: npt.NDArray[np.float32]) -> Any:
    """A constant kept in bf16, which the graph reads as f32."""
    bits = values.view(np.uint32)
    nearest = bits + 0x7FFF + (bits >> 16 & 1)  # of two equally near ones the even one, as the CPU converts
    rounded = (nearest & 0xFFFF0000).view(np.float32)  # by itself, OpenVINO would cut the bits off
    return ops.convert(ops.constant(rounded, openvino.Type.bf16), "f32")
