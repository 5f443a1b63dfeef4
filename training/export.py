"""Keras networks to OpenVINO."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import openvino
import tensorflow as tf
from openvino import opset15 as ops


def export_keras(network: Any, path: Path) -> None:
    """A network without recurrence, by OpenVINO's own converter; weights are stored in half precision."""
    signature = [tf.TensorSpec((None, *network.input_shape[1:]), network.inputs[0].dtype)]
    function = tf.function(lambda batch: network(batch, training=False), input_signature=signature)
    openvino.save_model(openvino.convert_model(function), path, compress_to_fp16=True)


def export_text(network: Any, path: Path) -> None:
    """The text network of `training.networks`, written operation by operation.

    OpenVINO's converter turns a Keras LSTM into a loop over time steps, which runs at a quarter of the speed of its own
    `LSTMSequence`. A test holds the two networks' answers against each other.
    """
    embedding = network.get_layer("embedding").get_weights()[0]
    lstm = network.get_layer("lstm")
    kernel, bias = network.get_layer("classes").get_weights()
    max_words, units = network.input_shape[1], lstm.forward_layer.units

    tokens = ops.parameter([-1, max_words], np.int32, name="tokens")
    batch = ops.gather(ops.shape_of(tokens), _constant([0]), _constant(0))
    vectors = ops.gather(_constant(embedding), tokens, _constant(0))
    zeros = ops.broadcast(_constant(np.float32(0)), ops.concat([batch, _constant([2, units])], 0))
    lengths = ops.broadcast(_constant(np.int32(max_words)), batch)
    weights = [_lstm_weights(direction) for direction in (lstm.forward_layer, lstm.backward_layer)]
    w, r, b = (_constant(np.stack(parts)) for parts in zip(*weights, strict=True))
    states = ops.lstm_sequence(vectors, zeros, zeros, lengths, w, r, b, units, "bidirectional").output(0)
    strongest = ops.reshape(ops.reduce_max(states, _constant([2]), False), _constant([-1, 2 * units]), False)
    scores = ops.add(ops.matmul(strongest, _constant(kernel), False, False), _constant(bias))
    model = openvino.Model([ops.softmax(scores, 1)], [tokens], "text")
    openvino.save_model(model, path, compress_to_fp16=True)


def _lstm_weights(layer: Any) -> tuple[npt.NDArray[np.float32], ...]:
    """Keras orders the gates i, f, c, o along the last axis; OpenVINO f, i, c, o along the first."""
    kernel, recurrent, bias = layer.get_weights()
    return tuple(_reorder(array).T.copy() for array in (kernel, recurrent, bias))


def _reorder(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    i, f, c, o = np.split(array, 4, axis=-1)
    return np.concatenate([f, i, c, o], axis=-1)


def _constant(value: Any) -> Any:
    return ops.constant(np.asarray(value))


def save_keras(network: Any, path: Path) -> None:
    """Without the optimiser's state: the bundle is for answering, not for going on."""
    stripped = keras.Model.from_config(network.get_config())  # a clone would be compiled like the original
    stripped.set_weights(network.get_weights())
    stripped.save(path)
    _forget_the_day(path)


def _forget_the_day(path: Path) -> None:
    """Take out of a .keras archive what differs from one run to the next, so that equal networks are equal files.

    That is the time, in its metadata and at its entries, and memory addresses that serve as names of shared objects.
    """
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(files["metadata.json"])
    files["metadata.json"] = json.dumps({**metadata, "date_saved": "1980-01-01@00:00:00"}).encode()
    numbers: dict[bytes, bytes] = {}
    files["config.json"] = re.sub(
        rb'(?<="shared_object_id": )\d+',
        lambda found: numbers.setdefault(found[0], str(len(numbers)).encode()),
        files["config.json"],
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # which dates it 1980
