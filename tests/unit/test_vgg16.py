from pathlib import Path

import keras
import numpy as np
import pytest

from shared.model.backbone import load_backbone
from shared.model.bundle import BACKBONE
from shared.model.images import decode
from shared.model.runtimes.openvino import OpenVINOBackbone
from tests.pictures import clouds
from training.fine_tune import fine_tune
from training.params import FineTuneParams
from training.vgg16 import WeightsError, fingerprint, keep_quantised, load_vgg16

SIZE = 64
PICTURES = [clouds(number, SIZE) for number in range(12)]


@pytest.mark.usefixtures("offline")
def test_a_download_that_is_impossible_says_what_to_do() -> None:
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


def test_a_file_brings_its_own_weights(tmp_path: Path) -> None:
    path = tmp_path / "vgg16.weights.h5"
    vgg16 = keras.applications.VGG16(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    vgg16.save_weights(path)
    backbone, origin = load_vgg16(str(path), SIZE)
    assert origin == path.name
    expected = zip(vgg16.get_weights(), backbone.get_layer("vgg16").get_weights(), strict=True)
    assert all((stored == loaded).all() for stored, loaded in expected)


def test_a_weights_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"preprocess\.vgg16_weights names .*nowhere\.h5"):
        load_vgg16(str(tmp_path / "nowhere.h5"), SIZE)


def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.weights.h5"
    path.write_bytes(b"not HDF5")
    with pytest.raises(WeightsError, match="does not hold VGG16's convolutions"):
        load_vgg16(str(path), SIZE)


def test_a_backbone_is_quantised_once_and_answers_as_before(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    backbone, _ = load_vgg16("random", SIZE)
    keep_quantised(backbone, iter(PICTURES), tmp_path / "kept", tmp_path / "first")
    keep_quantised(backbone, iter([]), tmp_path / "kept", tmp_path / "second")  # nothing to calibrate on: kept
    assert fingerprint(tmp_path / "first") == fingerprint(tmp_path / "second")

    pixels = np.stack([decode(data, SIZE) for data in PICTURES])
    expected = backbone.predict_on_batch(pixels)
    allowed = 0.05 * np.abs(expected).max()
    assert (
        np.abs(load_backbone(tmp_path / "first" / BACKBONE, SIZE).predict_on_batch(pixels) - expected).max() < allowed
    )
    assert np.abs(OpenVINOBackbone(tmp_path / "first" / BACKBONE).features(pixels) - expected).max() < allowed


def test_fine_tuning_changes_the_last_block_and_nothing_else() -> None:
    keras.utils.set_random_seed(1)
    backbone, _ = load_vgg16("random", SIZE)
    before = {weight.path: np.array(weight) for weight in backbone.weights}
    examples = list(zip(PICTURES, [10, 40, 50] * 4, strict=True))
    fine_tune(backbone, examples, FineTuneParams(epochs=2, batch_size=4, learning_rate=0.001), seed=1)
    changed = {weight.path for weight in backbone.weights if (before[weight.path] != np.array(weight)).any()}
    assert changed == {path for path in before if "block5" in path}
