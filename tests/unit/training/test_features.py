from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shared.model.images import Pixels
from shared.model.runtimes import Features
from tests.pictures import jpeg
from training.vgg16.features import FeatureStore, compute_missing


class MeanColour:
    """A backbone whose features can be told from the picture."""

    def __init__(self) -> None:
        self.seen = 0

    def features(self, pixels: Pixels) -> Features:
        self.seen += len(pixels)
        return np.asarray(pixels.mean(axis=(1, 2)), np.float32)


PICTURES = {colour: jpeg(colour) for colour in ("red", "lime", "blue")}


def _pictures(*colours: str) -> Iterator[tuple[str, bytes]]:
    return ((colour, PICTURES[colour]) for colour in colours)


def test_stored_features_are_not_computed_again(tmp_path: Path) -> None:
    backbone = MeanColour()
    assert compute_missing(FeatureStore(tmp_path), backbone, _pictures("red", "blue"), ("red", "blue"), 32) == 2
    reopened = FeatureStore(tmp_path)
    assert compute_missing(reopened, backbone, _pictures("red", "lime", "blue"), PICTURES, 32) == 1
    assert backbone.seen == 3
    matrix = FeatureStore(tmp_path).matrix(["lime", "red", "blue"])
    assert matrix.astype(float) == pytest.approx(255 * np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]]), abs=3)


def test_an_unfinished_file_of_the_feature_store_is_ignored(tmp_path: Path) -> None:
    FeatureStore(tmp_path).add(["a"], np.ones((1, 3), np.float16))
    (tmp_path / "00001.tmp").write_bytes(b"half")
    store = FeatureStore(tmp_path)
    assert "a" in store
    store.add(["b"], np.zeros((1, 3), np.float16))
    assert FeatureStore(tmp_path).matrix(["b", "a"]).tolist() == [[0, 0, 0], [1, 1, 1]]


def test_sizes_precisions_and_weights_have_separate_feature_stores(tmp_path: Path) -> None:
    weights = {name: tmp_path / name for name in ("one", "other")}
    for name, folder in weights.items():
        folder.mkdir()
        (folder / "backbone.bin").write_text(name)
    keys = [
        (weights[name], size, precision) for name in weights for size in (128, 224) for precision in ("int8", "bf16")
    ]
    for number, key in enumerate(keys):
        FeatureStore.of(tmp_path / "store", *key).add(["a"], np.full((1, 3), number, np.float16))
    found = [FeatureStore.of(tmp_path / "store", *key).matrix(["a"])[0, 0] for key in keys]
    assert found == list(range(len(keys)))
