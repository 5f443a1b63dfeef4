import json
import shutil
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from benchmarks.bundles import altered
from shared.model.bundle import FLOAT, IMAGE, INT8, MANIFEST, TEXT, VOCABULARY, Bundle, BundleError
from shared.settings import ROOT
from shared.taxonomy import RAKUTEN, TAXONOMY_FILE
from tests.bundles import of_format_3
from tests.conftest import Trained
from tests.rakuten import CODES
from training.pipeline.layout import STARTER
from training.pipeline.splits import TRAIN


@pytest.fixture
def copy(trained: Trained, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained.bundle.folder, tmp_path / "bundle"))


@pytest.fixture
def starter() -> Bundle:
    return Bundle.load(ROOT / STARTER)


def test_a_sealed_bundle_loads_and_keeps_its_version(trained: Trained, copy: Path) -> None:
    loaded = Bundle.load(copy)
    assert loaded.id == trained.bundle.id
    assert loaded.codes == loaded.manifest.labels
    assert set(loaded.codes) == set(CODES)
    assert loaded.manifest.vgg16_weights == trained.prepared.vgg16_weights
    assert loaded.manifest.review == trained.bundle.manifest.review


def test_a_precision_passes_if_it_is_as_good_as_the_best(trained: Trained) -> None:
    def passed(precision: str, **evaluated: float) -> bool:
        manifest = trained.bundle.manifest.model_copy(update={"evaluated": evaluated})
        return Bundle(trained.bundle.folder, manifest).passed(precision)

    assert passed(INT8, int8=0.800, float=0.804)
    assert passed(INT8, int8=0.9, float=0.8)
    assert not passed(INT8, int8=0.798, float=0.804)
    assert not passed(FLOAT, int8=0.8)  # nobody has evaluated it


def test_weights_are_stored_once_and_in_half_precision(trained: Trained) -> None:
    for name in (TEXT, IMAGE):
        with np.load(trained.bundle.folder / name) as arrays:
            assert {arrays[key].dtype.name for key in arrays.files} == {"float16"}


def test_a_bundle_holds_no_names_of_products(trained: Trained) -> None:
    told = b"".join((trained.bundle.folder / name).read_bytes() for name in (VOCABULARY, TEXT, IMAGE))
    words = {word for text in trained.prepared.split(TRAIN).words for word in text if len(word) > 6}
    assert len(words) > 50
    assert not [word for word in words if word.encode() in told]


def test_a_bundle_with_a_changed_file_is_refused_by_name(copy: Path) -> None:
    (copy / VOCABULARY).write_text("tampered")
    with pytest.raises(BundleError, match=r"vocabulary\.npy is not the file its manifest names"):
        Bundle.load(copy)


def test_a_bundle_with_a_missing_file_is_refused_by_name(copy: Path) -> None:
    (copy / VOCABULARY).unlink()
    with pytest.raises(BundleError, match=r"lacks vocabulary\.npy"):
        Bundle.load(copy)


def test_a_folder_without_a_manifest_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="dvc repro"):
        Bundle.load(tmp_path)


def test_a_manifest_without_a_threshold_is_refused(copy: Path) -> None:
    path = copy / MANIFEST
    path.write_text(path.read_text().replace('"review": {', '"reviewed": {'))
    with pytest.raises(BundleError, match="has no manifest of a format that is read, train it again"):
        Bundle.load(copy)


def test_a_manifest_of_another_format_is_refused(copy: Path) -> None:
    path = copy / MANIFEST
    path.write_text(path.read_text().replace('"format": 4', '"format": 2'))
    with pytest.raises(BundleError, match="has format 2, this code reads 3 and 4"):
        Bundle.load(copy)


def test_a_bundle_of_the_format_before_has_rakutens_categories(starter: Bundle, tmp_path: Path) -> None:
    older = of_format_3(starter, tmp_path / "older")
    assert (older.manifest.format, older.manifest.labels[0]) == (3, 10)
    assert older.taxonomy == RAKUTEN
    assert older.codes == starter.codes
    assert older.manifest.review.levels == ()
    assert older.known is not None
    assert starter.known is not None
    assert older.known.codes.tolist() == starter.known.codes.tolist()
    assert older.reference is not None
    assert starter.reference is not None
    assert older.reference.profile == starter.reference.profile
    assert older.reference.right is None


def test_fields_that_were_added_later_change_no_older_bundles_id(starter: Bundle, tmp_path: Path) -> None:
    for bundle in (starter, of_format_3(starter, tmp_path / "older")):
        stated = (bundle.folder / MANIFEST).read_bytes().rstrip()
        assert bundle.id == sha256(stated).hexdigest()[: len(bundle.id)]


def test_a_bundle_carries_the_taxonomy_of_its_training(trained: Trained) -> None:
    assert TAXONOMY_FILE in trained.bundle.manifest.files
    assert trained.bundle.taxonomy == trained.prepared.categories.taxonomy == RAKUTEN
    assert trained.bundle.codes == trained.prepared.categories.codes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", r"taxonomy\.json cannot be read: line 1: this is not"),
        ('{"categories": [{"code": "10", "name": "Livres"}]}', "answers with '2280', .* its taxonomy lacks"),
    ],
)
def test_a_bundle_whose_taxonomy_does_not_fit_is_refused(
    starter: Bundle, tmp_path: Path, text: str, message: str
) -> None:
    folder = altered(starter, tmp_path / "bundle").folder
    (folder / TAXONOMY_FILE).write_text(text)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"][TAXONOMY_FILE] = sha256(text.encode()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=message):
        Bundle.load(folder)
