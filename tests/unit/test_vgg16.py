import logging
from pathlib import Path

import pytest

from shared.model.bundle import BACKBONE_OPENVINO
from training.vgg16 import WeightsError, fingerprint, make_backbone

SIZE = 32


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which nothing can be downloaded and nothing was before."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr("keras.src.backend.config.keras_home", lambda: str(tmp_path / "keras"))


@pytest.mark.usefixtures("offline")
def test_a_download_that_is_impossible_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot be downloaded .* set preprocess\.vgg16_weights"):
        make_backbone("imagenet", SIZE, tmp_path, random_allowed=True, seed=1)


@pytest.mark.usefixtures("offline")
def test_auto_is_an_error_on_real_products_rather_than_random(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be downloaded"):
        make_backbone("auto", SIZE, tmp_path, random_allowed=False, seed=1)


@pytest.mark.usefixtures("offline")
def test_auto_falls_back_to_random_on_the_sample_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert make_backbone("auto", SIZE, tmp_path, random_allowed=True, seed=1) == "random"
    assert "random" in caplog.text


def test_random_weights_are_the_seeds_and_a_file_brings_its_own(tmp_path: Path) -> None:
    import keras

    first, again, other, loaded = (tmp_path / name for name in ("first", "again", "other", "loaded"))
    for folder, seed in ((first, 1), (again, 1), (other, 2)):
        make_backbone("random", SIZE, folder, random_allowed=True, seed=seed)
    assert fingerprint(first) == fingerprint(again) != fingerprint(other)

    keras.utils.set_random_seed(2)
    path = tmp_path / "vgg16.weights.h5"
    keras.applications.VGG16(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3)).save_weights(path)
    assert make_backbone(str(path), SIZE, loaded, random_allowed=False, seed=9) == path.name
    assert (loaded / BACKBONE_OPENVINO).is_file()
    assert fingerprint(loaded) == fingerprint(other)


def test_a_weights_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"preprocess\.vgg16_weights names .*nowhere\.h5"):
        make_backbone(str(tmp_path / "nowhere.h5"), SIZE, tmp_path, random_allowed=True, seed=1)


def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.weights.h5"
    path.write_bytes(b"not HDF5")
    with pytest.raises(WeightsError, match="does not hold VGG16's convolutions"):
        make_backbone(str(path), SIZE, tmp_path, random_allowed=True, seed=1)
