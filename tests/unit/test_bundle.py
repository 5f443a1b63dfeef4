import shutil
from pathlib import Path

import pytest

from shared.model.bundle import IMAGE_KERAS, MANIFEST, TEXT_KERAS, VOCABULARY, Bundle, BundleError
from shared.taxonomy import CODES
from tests.conftest import Trained


@pytest.fixture
def copy(trained: Trained, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained.bundle.folder, tmp_path / "bundle"))


def test_a_sealed_bundle_loads_and_keeps_its_version(trained: Trained, copy: Path) -> None:
    loaded = Bundle.load(copy)
    assert loaded.version == trained.bundle.version
    assert loaded.manifest.labels == CODES
    assert loaded.manifest.vgg16_weights == "random"
    assert loaded.manifest.review == trained.bundle.manifest.review


def test_it_holds_no_optimisers_state(trained: Trained) -> None:
    import keras

    for name in (TEXT_KERAS, IMAGE_KERAS):
        path = trained.bundle.folder / name
        network = keras.models.load_model(path)
        assert not network.compiled
        assert path.stat().st_size < 4 * network.count_params() + 100_000


def test_a_changed_file_is_named(copy: Path) -> None:
    (copy / VOCABULARY).write_text("tampered")
    with pytest.raises(BundleError, match=r"vocabulary\.txt is not the file its manifest names"):
        Bundle.load(copy)


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / VOCABULARY).unlink()
    with pytest.raises(BundleError, match=r"lacks vocabulary\.txt"):
        Bundle.load(copy)


def test_a_folder_without_a_manifest_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="dvc repro"):
        Bundle.load(tmp_path)


def test_a_manifest_without_a_threshold_is_refused(copy: Path) -> None:
    path = copy / MANIFEST
    path.write_text(path.read_text().replace('"review": {', '"reviewed": {'))
    with pytest.raises(BundleError, match="has no manifest of format 2, train it again"):
        Bundle.load(copy)


def test_a_manifest_of_another_format_is_refused(copy: Path) -> None:
    path = copy / MANIFEST
    path.write_text(path.read_text().replace('"format": 2', '"format": 3'))
    with pytest.raises(BundleError, match="has format 3, this code reads 2"):
        Bundle.load(copy)
