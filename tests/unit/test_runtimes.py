"""The exported networks answer as the Keras ones do."""

import numpy as np
import pytest

from shared.model import runtimes
from shared.model.runtimes import Runtime
from tests.conftest import Trained
from training.answering import answer
from training.prepared import TEST


@pytest.fixture(scope="module")
def openvino(trained: Trained) -> Runtime:
    return runtimes.load(trained.bundle, "openvino")


@pytest.fixture(scope="module")
def tensorflow(trained: Trained) -> Runtime:
    return runtimes.load(trained.bundle, "tensorflow")


def test_the_lstm_agrees(trained: Trained, openvino: Runtime, tensorflow: Runtime) -> None:
    tokens = trained.bundle.text_encoder().encode(trained.prepared.split(TEST).words)
    assert openvino.text(tokens) == pytest.approx(tensorflow.text(tokens), abs=0.03)


def test_vgg16_agrees(openvino: Runtime, tensorflow: Runtime) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (3, 224, 224, 3), np.uint8)
    expected = tensorflow.features(pixels)
    assert expected.shape == (3, 2048)
    assert np.abs(openvino.features(pixels) - expected).max() < 0.05 * np.abs(expected).max()  # int8


def test_the_head_agrees_and_whole_answers_too(trained: Trained, openvino: Runtime, tensorflow: Runtime) -> None:
    items = trained.prepared.split(TEST)
    ours, reference = (answer(trained.bundle, runtime, items) for runtime in (openvino, tensorflow))
    assert ours.image[items.has_image] == pytest.approx(reference.image[items.has_image], abs=0.05)
    assert ours.fused == pytest.approx(reference.fused, abs=0.05)


def test_tensorflow_pads_batches_without_a_trace(trained: Trained, tensorflow: Runtime) -> None:
    tokens = trained.bundle.text_encoder().encode(trained.prepared.split(TEST).words)
    together = tensorflow.text(tokens[:5])
    assert together.shape[0] == 5
    assert together == pytest.approx(np.concatenate([tensorflow.text(tokens[i : i + 1]) for i in range(5)]), abs=1e-5)


def test_an_unknown_runtime_is_refused(trained: Trained) -> None:
    with pytest.raises(ValueError, match="'onnx' is none of auto, openvino, tensorflow"):
        runtimes.load(trained.bundle, "onnx")
