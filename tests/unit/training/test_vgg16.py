import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import openvino
import pytest

from shared.model.backbone import build_backbone, load_backbone
from shared.model.bundle import BACKBONE
from shared.model.convolutions import read_convolutions
from shared.model.images import decode
from shared.model.runtimes.openvino import OpenVINOBackbone, Precision
from shared.pipeline.params import FineTuneParams
from tests.pictures import clouds
from training.fit.fine_tune import fine_tune
from training.vgg16.features import fingerprint
from training.vgg16.weights import WeightsError, keep_quantised, load_vgg16

SIZE = 64
PICTURES = [clouds(number, SIZE) for number in range(12)]


@pytest.mark.usefixtures("offline")
def test_a_failed_download_says_what_to_do() -> None:
    with pytest.raises(WeightsError, match=r"cannot be downloaded .* set preprocess\.vgg16_weights"):
        load_vgg16("imagenet", SIZE)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which nothing can be downloaded and nothing was before."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr("keras.src.backend.config.keras_home", lambda: str(tmp_path / "keras"))


def test_a_files_weights_answer_as_keras_own_vgg16_that_takes_bgr(tmp_path: Path) -> None:
    path = tmp_path / "vgg16.weights.h5"
    keras.utils.set_random_seed(1)
    vgg16 = keras.applications.VGG16(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    vgg16.save_weights(path)
    backbone, origin = load_vgg16(str(path), SIZE)
    assert origin == path.name
    pixels = np.stack([decode(data, SIZE) for data in PICTURES[:3]])
    maps = vgg16.predict_on_batch(keras.applications.vgg16.preprocess_input(pixels.astype(np.float32)))
    expected = np.concatenate([maps.mean(axis=(1, 2)), maps.max(axis=(1, 2))], axis=1)
    assert backbone.predict_on_batch(pixels)[:, 1024:] == pytest.approx(
        expected, rel=1e-3, abs=1e-4 * float(expected.max())
    )


def test_a_missing_weights_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"preprocess\.vgg16_weights names .*nowhere\.h5"):
        load_vgg16(str(tmp_path / "nowhere.h5"), SIZE)


def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.weights.h5"
    path.write_bytes(b"not HDF5")
    with pytest.raises(WeightsError, match="does not hold VGG16's convolutions"):
        load_vgg16(str(path), SIZE)


@pytest.fixture(scope="module")
def original() -> Any:
    """In Keras, with random weights."""
    keras.utils.set_random_seed(1)
    return load_vgg16("random", SIZE)[0]


@pytest.fixture(scope="module")
def quantised(original: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quantised")
    keep_quantised(original, iter(PICTURES), folder / "kept", folder / "first")
    return folder


def test_a_backbone_is_quantised_once(original: Any, quantised: Path) -> None:
    keep_quantised(original, iter([]), quantised / "kept", quantised / "second")  # nothing to calibrate on: kept
    assert fingerprint(quantised / "first") == fingerprint(quantised / "second")


def test_the_quantised_backbone_names_no_folder_of_its_making(quantised: Path) -> None:
    """The same training would give another bundle each time."""
    assert tempfile.gettempdir() not in (quantised / "first" / BACKBONE).read_text()


def test_keras_reads_the_quantised_weights_as_openvino_does(quantised: Path) -> None:
    path = quantised / "first" / BACKBONE
    read = read_convolutions(path)
    nodes = openvino.Core().read_model(path).get_ordered_ops()
    kernels = [node.input_value(1).get_node() for node in nodes if node.get_type_name() == "Convolution"]
    assert len(read) == len(kernels) == 13
    for convolution, kernel in zip(read, kernels, strict=True):
        assert np.array_equal(convolution.kernel.transpose(3, 2, 0, 1), _by_openvino(kernel))


def _by_openvino(node: Any) -> npt.NDArray[np.float32]:
    """What the constants behind a weight come to, computed by OpenVINO."""
    model = openvino.Model([node.output(0)], [], "weight")
    return np.asarray(openvino.Core().compile_model(model, "CPU")([])[0])


@pytest.mark.parametrize("size", [SIZE, 96])
def test_the_quantised_backbone_answers_as_the_original_at_any_size_and_precision(
    original: Any, quantised: Path, size: int
) -> None:
    path = quantised / "first" / BACKBONE
    pixels = np.stack([decode(data, size) for data in PICTURES])
    at_size = build_backbone(size)
    at_size.set_weights(original.get_weights())
    expected = at_size.predict_on_batch(pixels)
    allowed = 0.05 * np.abs(expected).max()
    in_keras = load_backbone(path, size).predict_on_batch(pixels)
    in_float = OpenVINOBackbone(path, size, "f32").features(pixels)
    assert np.abs(in_keras - expected).max() < allowed
    assert np.abs(OpenVINOBackbone(path, size).features(pixels) - expected).max() < allowed
    assert in_float == pytest.approx(in_keras, rel=1e-3, abs=1e-4 * float(in_keras.max()))


@pytest.mark.parametrize("precision", ["int8", "f32"])
def test_features_do_not_depend_on_the_batch(quantised: Path, precision: Precision) -> None:
    backbone = OpenVINOBackbone(quantised / "first" / BACKBONE, SIZE, precision)
    pixels = np.stack([decode(data, SIZE) for data in PICTURES[:7]])
    alone = np.concatenate([backbone.features(pixels[row : row + 1]) for row in range(len(pixels))])
    assert backbone.features(pixels) == pytest.approx(alone, rel=1e-3, abs=1e-4 * float(alone.max()))


def test_fine_tuning_changes_the_last_block_and_nothing_else() -> None:
    keras.utils.set_random_seed(1)
    backbone, _ = load_vgg16("random", SIZE)
    before = {weight.path: np.array(weight) for weight in backbone.weights}
    examples = list(zip(PICTURES, [0, 1, 2] * 4, strict=True))
    fine_tune(backbone, examples, 3, FineTuneParams(epochs=2, batch_size=4, learning_rate=0.001), seed=1)
    changed = {weight.path for weight in backbone.weights if (before[weight.path] != np.array(weight)).any()}
    assert changed == {path for path in before if "block5" in path}
