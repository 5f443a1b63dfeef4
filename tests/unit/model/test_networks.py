"""One set of weights, two runtimes, one answer; and padding that changes nothing."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import openvino
import pytest

from shared.model.networks import image_network, restore_image, restore_text, text_network
from shared.model.runtimes.openvino import precision
from shared.model.runtimes.openvino_networks import image_graph, text_graph
from shared.model.weights import load_weights, save_weights

VOCABULARY, SUBWORDS, CLASSES, UNITS = 400, 6, 5, 24


@pytest.fixture(scope="module")
def text() -> Any:
    """With biases other than zero wherever training may bring them there."""
    keras.utils.set_random_seed(3)
    network = text_network(VOCABULARY, SUBWORDS, CLASSES, embedding=16, units=UNITS, dropout=0.3)
    embedding = network.get_layer("embedding")
    embedding.set_weights([30 * array for array in embedding.get_weights()])
    for name in ("forward", "backward"):
        layer = network.get_layer(name)
        kernel, recurrent, bias = layer.get_weights()
        bias = layer.bias_constraint(np.random.default_rng(1).normal(size=bias.shape).astype(np.float32))
        layer.set_weights([kernel * 3, recurrent * 2, np.asarray(bias)])
    return network


@pytest.fixture(scope="module")
def image() -> Any:
    keras.utils.set_random_seed(3)
    network = image_network(40, CLASSES, units=UNITS, dropout=0.5)
    random = np.random.default_rng(2)
    network.get_layer("standardise").adapt(random.random((50, 40), np.float32))
    batches = [random.random((50, 40), np.float32) for _ in range(20)]
    for batch in batches:
        network(batch, training=True)  # moves the batch normalisation's averages
    return network


def tokens(words: int, seed: int = 1) -> npt.NDArray[np.int32]:
    """(8, words, SUBWORDS): texts of one word and more, some words unknown, some without n-grams."""
    random = np.random.default_rng(seed)
    ids = random.integers(1, VOCABULARY, (8, words, SUBWORDS)).astype(np.int32)
    ids[random.random(ids.shape) < 0.4] = 0
    for row, missing in enumerate(np.linspace(0, words - 1, len(ids)).astype(int)):
        ids[row, :missing] = 0
    return ids


def test_padding_changes_no_answer(text: Any) -> None:
    short = tokens(8)
    padded = np.pad(short, ((0, 0), (24, 0), (0, 0)))
    expected = text.predict_on_batch(short)
    assert expected.std(axis=0).min() > 0.01  # answers that could differ
    assert text.predict_on_batch(padded) == pytest.approx(expected, abs=1e-6)


def test_the_candidate_gates_bias_stays_zero(text: Any) -> None:
    text.compile(keras.optimizers.SGD(1.0), "categorical_crossentropy")
    before = text.get_layer("forward").get_weights()[2]
    targets = np.eye(CLASSES, dtype=np.float32)[np.arange(8) % CLASSES]
    weights = text.get_weights()
    text.train_on_batch(tokens(8), targets)
    after = text.get_layer("forward").get_weights()[2]
    text.set_weights(weights)
    assert (before != after).any()
    assert (after[2 * UNITS : 3 * UNITS] == 0).all()


@pytest.mark.parametrize("words", [8, 24])
def test_the_lstm_is_the_same_in_openvino(text: Any, tmp_path: Path, words: int) -> None:
    save_weights(text, tmp_path / "text.npz")
    expected = text.predict_on_batch(tokens(words))
    assert expected.std(axis=0).min() > 0.01  # answers that could differ
    weights = load_weights(tmp_path / "text.npz")
    assert run(text_graph(weights), tokens(words)) == pytest.approx(expected, abs=1e-5)
    assert restore_text(weights).predict_on_batch(tokens(words)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.skipif(precision() != "bf16", reason="this CPU does not compute in bf16")
def test_a_table_of_subwords_in_bf16_changes_no_bit(text: Any, tmp_path: Path) -> None:
    save_weights(text, tmp_path / "text.npz")
    weights = load_weights(tmp_path / "text.npz")
    expected = run(text_graph(weights), tokens(24), "bf16")
    assert expected.std(axis=0).min() > 0.01
    assert (run(text_graph(weights, bf16=True), tokens(24), "bf16") == expected).all()


def test_the_head_is_the_same_in_openvino(image: Any, tmp_path: Path) -> None:
    save_weights(image, tmp_path / "image.npz")
    features = np.random.default_rng(5).random((9, 40), np.float32) * 4 - 0.5
    expected = image.predict_on_batch(features)
    assert expected.std(axis=0).min() > 0.01
    weights = load_weights(tmp_path / "image.npz")
    assert run(image_graph(weights), features) == pytest.approx(expected, abs=1e-4)
    assert restore_image(weights).predict_on_batch(features) == pytest.approx(expected, abs=1e-5)


def run(graph: Any, batch: npt.NDArray[Any], floating: str = "f32") -> npt.NDArray[np.float32]:
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": floating})
    return np.array(compiled(batch)[0])
