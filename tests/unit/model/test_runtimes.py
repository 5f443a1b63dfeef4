"""Every runtime answers as TensorFlow does in single precision, as near as its own precision allows."""

import base64
import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from catalog_client import read_items
from shared.model import runtimes
from shared.model.bundle import BACKBONE, TEXT, Bundle
from shared.model.fusion import Probabilities, fuse
from shared.model.images import Pixels, decode
from shared.model.networks import restore_text
from shared.model.runtimes import Features, Runtime
from shared.model.runtimes import openvino as openvino_runtime
from shared.model.runtimes.jax import JAXRuntime
from shared.model.runtimes.openvino import OpenVINOBackbone, OpenVINORuntime, Precision
from shared.model.runtimes.padding import Padded
from shared.model.runtimes.tensorflow import TensorFlowRuntime
from shared.model.weights import load_weights
from shared.settings import ROOT
from shared.words import words
from tests.bundles import another
from tests.conftest import Trained
from training.catalogue.challenge import PICTURES_FOLDER, PRODUCTS_FILE
from training.judge.answers import answer
from training.pipeline.layout import STARTER
from training.pipeline.splits import TEST

ITEMS, PICTURES = 8, 2

Elsewhere = Callable[..., dict[str, npt.NDArray[np.float32]]]

# Of a probability; and of a picture's features, as a share of their length. A mistake is several times as far off: see
# `test_exchanged_colours_or_gates_exceed_the_tolerances`.
F32, BF16, INT8 = 1e-5, 0.015, 0.035


@pytest.fixture(scope="module")
def starter() -> Bundle:
    return Bundle.load(ROOT / STARTER)


@pytest.fixture(scope="module")
def products(pristine: Path) -> list[dict[str, Any]]:
    """Products of different categories, each with a title and a picture of the kind that int8 was calibrated on."""
    listed = [item for item in read_items(pristine / PRODUCTS_FILE, pristine / PICTURES_FOLDER) if "image" in item]
    return listed[:: len(listed) // ITEMS][:ITEMS]


@pytest.fixture(scope="module")
def tokens(starter: Bundle, products: list[dict[str, Any]]) -> npt.NDArray[np.int32]:
    return starter.text_encoder().encode([words(item["title"], item.get("description")) for item in products])


@pytest.fixture(scope="module")
def pixels(starter: Bundle, products: list[dict[str, Any]]) -> Pixels:
    pictures = [base64.b64decode(item["image"]["base64"]) for item in products[:PICTURES]]
    return np.stack([decode(picture, starter.manifest.image_size) for picture in pictures])


@pytest.fixture(scope="module")
def reference(starter: Bundle) -> Runtime:
    return TensorFlowRuntime(starter, "f32")


@pytest.fixture(scope="module")
def features(reference: Runtime, pixels: Pixels) -> Features:
    return reference.features(pixels)


@pytest.fixture(scope="module")
def elsewhere(
    starter: Bundle,
    tokens: npt.NDArray[np.int32],
    pixels: Pixels,
    features: Features,
    tmp_path_factory: pytest.TempPathFactory,
) -> Elsewhere:
    """What runtimes answer in another process; see `tests.unit.model.runtime_answers`."""
    folder = tmp_path_factory.mktemp("elsewhere")
    inputs, answers = folder / "inputs.npz", folder / "answers.npz"
    np.savez(inputs, tokens=tokens, pixels=pixels, features=features)

    def compute(*wanted: str, **environment: str) -> dict[str, npt.NDArray[np.float32]]:
        run("-m", "tests.unit.model.runtime_answers", starter.folder, inputs, answers, *wanted, **environment)
        with np.load(answers) as arrays:
            return dict(arrays)

    return compute


def test_jax_agrees(
    elsewhere: Elsewhere, reference: Runtime, tokens: npt.NDArray[np.int32], features: Features
) -> None:
    jax = elsewhere("jax:f32", "jax:bf16")
    for precision, tolerance in (("f32", F32), ("bf16", BF16)):
        assert jax[f"jax:{precision}/text"] == pytest.approx(reference.text(tokens), abs=F32)
        assert distances(jax[f"jax:{precision}/features"], features).max() < tolerance
        assert jax[f"jax:{precision}/image"] == pytest.approx(reference.image(features), abs=F32)


def test_a_cpu_without_avx512_answers_the_same(
    elsewhere: Elsewhere, reference: Runtime, tokens: npt.NDArray[np.int32], features: Features
) -> None:
    """oneDNN, which computes in both, is told to be on one."""
    answers = elsewhere("openvino:f32", "tensorflow:f32", ONEDNN_MAX_CPU_ISA="AVX2")
    for name in ("openvino", "tensorflow"):
        assert answers[f"{name}:f32/text"] == pytest.approx(reference.text(tokens), abs=F32)
        assert distances(answers[f"{name}:f32/features"], features).max() < F32
        assert answers[f"{name}:f32/image"] == pytest.approx(reference.image(features), abs=F32)


@pytest.mark.parametrize(("name", "tolerance"), [("openvino", INT8), ("openvino-float", BF16)])
def test_openvino_agrees(
    starter: Bundle,
    reference: Runtime,
    tokens: npt.NDArray[np.int32],
    pixels: Pixels,
    features: Features,
    name: str,
    tolerance: float,
) -> None:
    openvino = runtimes.load(starter, name)
    assert openvino.text(tokens) == pytest.approx(reference.text(tokens), abs=BF16)
    assert distances(openvino.features(pixels), features).max() < tolerance
    assert openvino.image(features) == pytest.approx(reference.image(features), abs=BF16)


def test_bundles_with_the_same_vgg16_share_it_and_answer_as_if_they_did_not(
    starter: Bundle, pixels: Pixels, tokens: npt.NDArray[np.int32], tmp_path: Path
) -> None:
    alone = OpenVINORuntime(starter)
    expected, words = [alone.features(pixels[row : row + 1]) for row in range(PICTURES)], alone.text(tokens)
    beside = OpenVINORuntime(another(starter, tmp_path / "retrained"))
    assert beside.network is alone.network

    def answers(runtime: Runtime) -> list[Features]:
        return [runtime.features(pixels[row % PICTURES][np.newaxis]) for row in range(20 * PICTURES)]

    with ThreadPoolExecutor(2) as threads:  # each engine has its own
        together = list(threads.map(answers, [alone, beside]))
    assert all(np.array_equal(said, expected[row % PICTURES]) for part in together for row, said in enumerate(part))
    assert np.array_equal(beside.text(tokens), words)

    del alone  # the one before has gone
    gc.collect()
    assert np.array_equal(beside.features(pixels[:1]), expected[0])
    network = weakref.ref(beside.network)
    del beside
    gc.collect()
    assert network() is None, "what nobody uses is freed"


def test_another_vgg16_is_not_shared(starter: Bundle, pixels: Pixels, tmp_path: Path) -> None:
    ours = OpenVINORuntime(starter)
    changed = another(starter, tmp_path / "fine-tuned").folder / BACKBONE
    weights = bytearray(changed.with_suffix(".bin").read_bytes())
    weights[len(weights) // 2 : len(weights) // 2 + 4096] = bytes(4096)
    changed.with_suffix(".bin").write_bytes(weights)
    size = starter.manifest.image_size
    others = [OpenVINOBackbone(changed, size), OpenVINOBackbone(starter.folder / BACKBONE, 96)]
    others.append(OpenVINOBackbone(starter.folder / BACKBONE, size, "f32"))
    assert len({id(backbone.network) for backbone in (ours, *others)}) == 4
    assert not np.array_equal(others[0].features(pixels), ours.features(pixels))


def test_tensorflow_in_bf16_agrees(
    starter: Bundle, reference: Runtime, tokens: npt.NDArray[np.int32], pixels: Pixels, features: Features
) -> None:
    bf16 = TensorFlowRuntime(starter, "bf16")
    assert (bf16.name, reference.name) == ("tensorflow bf16", "tensorflow f32")
    assert bf16.text(tokens) == pytest.approx(reference.text(tokens), abs=F32)
    assert F32 < distances(bf16.features(pixels), features).max() < BF16
    assert bf16.image(features) == pytest.approx(reference.image(features), abs=F32)


def test_exchanged_colours_or_gates_exceed_the_tolerances(
    starter: Bundle, reference: Runtime, tokens: npt.NDArray[np.int32], pixels: Pixels, features: Features
) -> None:
    assert distances(reference.features(pixels[..., ::-1]), features).min() > 3 * INT8  # BGR for RGB
    weights = {name: _other_gates(name, array) for name, array in load_weights(starter.folder / TEXT).items()}
    assert np.abs(restore_text(weights).predict_on_batch(tokens) - reference.text(tokens)).max() > 10 * BF16


def test_whole_answers_agree(trained: Trained) -> None:
    items = trained.prepared.split(TEST)
    ours, expected = (
        answer(trained.bundle, runtime, items)
        for runtime in (runtimes.load(trained.bundle, "openvino"), TensorFlowRuntime(trained.bundle, "f32"))
    )
    assert ours.fused == pytest.approx(expected.fused, abs=0.05)


def test_int8_gives_the_same_best_class_of_a_picture(
    starter: Bundle, reference: Runtime, tokens: npt.NDArray[np.int32], pixels: Pixels
) -> None:
    """From pixels and tokens to the fused answer."""
    openvino = runtimes.load(starter, "openvino")
    ours, expected = (_fused(starter, runtime, tokens[:PICTURES], pixels) for runtime in (openvino, reference))
    assert (ours.argmax(axis=1) == expected.argmax(axis=1)).all()


def test_a_process_has_one_keras_backend(starter: Bundle, reference: Runtime) -> None:
    with pytest.raises(RuntimeError, match=r"Keras already runs on tensorflow .* start it with KERAS_BACKEND=jax"):
        JAXRuntime(starter)


def test_asking_jax_for_a_gpu_leaves_keras_alone() -> None:
    """So TensorFlow can be asked after it; the other way round, Keras would already be TensorFlow's."""
    program = """
import os, sys
from shared.model.runtimes.jax import has_gpu
has_gpu()
assert not {"keras", "tensorflow"} & set(sys.modules) and "KERAS_BACKEND" not in os.environ
"""
    run("-c", program)


@pytest.mark.parametrize(("rows", "met"), [(1, [1]), (2, [4]), (4, [4]), (9, [8, 1]), (11, [8, 4])])
def test_batches_are_padded_to_few_sizes(rows: int, met: list[int]) -> None:
    sizes = []

    def double(batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        sizes.append(len(batch))
        return batch * 2

    batch = np.arange(rows * 3).reshape(rows, 3)
    assert (Padded(double, (1, 4, 8))(batch) == batch * 2).all()
    assert sizes == met


def test_padding_a_batch_changes_no_answer(reference: Runtime, tokens: npt.NDArray[np.int32]) -> None:
    together = reference.text(tokens[:5])
    assert together.shape[0] == 5
    assert together == pytest.approx(np.concatenate([reference.text(tokens[i : i + 1]) for i in range(5)]), abs=F32)


@pytest.mark.parametrize(
    ("seconds", "expected"), [({"int8": 0.004, "f32": 0.007}, "int8"), ({"int8": 0.007, "f32": 0.004}, "f32")]
)
def test_a_convolution_decides_where_the_cpu_has_no_instructions_for_int8(
    starter: Bundle, seconds: dict[Precision, float], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "_on_gpu", lambda _: None)
    monkeypatch.setattr(runtimes.cpu, "instructions", lambda: frozenset({"avx2"}))
    monkeypatch.setattr(openvino_runtime, "convolution_seconds", lambda: seconds)
    monkeypatch.setattr(openvino_runtime, "precision", lambda: "f32")
    runtime, reason = runtimes.choose(starter)
    assert runtime.name == f"openvino {expected}"
    assert f"{1000 * seconds['int8']:.1f} ms in int8" in reason


def test_a_convolution_is_measured_in_both_types() -> None:
    seconds = openvino_runtime.convolution_seconds()
    assert set(seconds) == {"int8", openvino_runtime.precision()}
    assert min(seconds.values()) > 0


def test_an_unknown_runtime_is_refused(starter: Bundle) -> None:
    with pytest.raises(ValueError, match=r"'onnx' is not one of auto, openvino, .*tensorflow, jax"):
        runtimes.load(starter, "onnx")


def run(*arguments: str | Path, **environment: str) -> None:
    """Python with these arguments; fails the test where it fails."""
    inherited = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def distances(features: Features, expected: Features) -> npt.NDArray[np.float32]:
    """Distance of each picture's features, as a share of the expected features' length."""
    shares: npt.NDArray[np.float32] = np.linalg.norm(features - expected, axis=1) / np.linalg.norm(expected, axis=1)
    return shares


def _fused(bundle: Bundle, runtime: Runtime, tokens: npt.NDArray[np.int32], pixels: Pixels) -> Probabilities:
    text, image = runtime.text(tokens), runtime.image(runtime.features(pixels))
    return fuse(bundle.manifest.fusion, text, image, np.full(len(text), 8)).fused


def _other_gates(name: str, array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """An LSTM's gates in OpenVINO's order."""
    if "lstm_cell" not in name:
        return array
    i, f, c, o = np.split(array, 4, axis=-1)
    return np.concatenate([f, i, c, o], axis=-1)
