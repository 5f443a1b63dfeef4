import shutil
from pathlib import Path

import numpy as np
import pytest

from shared.model.bundle import IMAGE, MANIFEST, TEXT, VOCABULARY, Bundle, BundleError
from shared.taxonomy import CODES
from tests.conftest import Trained
from training.prepared import TRAIN


@pytest.fixture
def copy(trained: Trained, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained.bundle.folder, tmp_path / "bundle"))


def test_a_sealed_bundle_loads_and_keeps_its_version(trained: Trained, copy: Path) -> None:
    loaded = Bundle.load(copy)
    assert loaded.version == trained.bundle.version
    assert loaded.manifest.labels == CODES
    assert loaded.manifest.vgg16_weights == trained.prepared.vgg16_weights
    assert loaded.manifest.review == trained.bundle.manifest.review


def test_weights_are_stored_once_and_in_half_precision(trained: Trained) -> None:
    for name in (TEXT, IMAGE):
        with np.load(trained.bundle.folder / name) as arrays:
            assert {arrays[key].dtype.name for key in arrays.files} == {"float16"}


def test_it_tells_nobody_what_the_products_were_called(trained: Trained) -> None:
    told = b"".join((trained.bundle.folder / name).read_bytes() for name in (VOCABULARY, TEXT, IMAGE))
    words = {word for text in trained.prepared.split(TRAIN).words for word in text if len(word) > 6}
    assert len(words) > 50
    assert not [word for word in words if word.encode() in told]


def test_a_changed_file_is_named(copy: Path) -> None:
    (copy / VOCABULARY).write_text("tampered")
    with pytest.raises(BundleError, match=r"vocabulary\.npy is not the file its manifest names"):
        Bundle.load(copy)


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / VOCABULARY).unlink()
    with pytest.raises(BundleError, match=r"lacks vocabulary\.npy"):
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
