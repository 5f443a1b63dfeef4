import re
from pathlib import Path

import numpy as np
import pytest

from shared.params import FineTuneParams, ParamsError, PreprocessParams, load_params
from training.prepared import TEST, TRAIN, VALIDATION
from training.preprocess import split

PARAMS = PreprocessParams(
    seed=1,
    validation=0.1,
    test=0.2,
    image_size=128,
    vgg16_weights="random",
    fine_tune=FineTuneParams(epochs=0, batch_size=8, learning_rate=0.001),
)


def test_each_class_is_split_in_the_same_shares() -> None:
    labels = np.repeat([10, 40, 50], [100, 50, 2]).astype(np.int64)
    splits = split(labels, PARAMS)
    for label, size in ((10, 100), (40, 50)):
        counts = {name: int((splits[labels == label] == name).sum()) for name in (TRAIN, VALIDATION, TEST)}
        assert counts == {TRAIN: 0.7 * size, VALIDATION: 0.1 * size, TEST: 0.2 * size}
    assert (splits[labels == 50] == TRAIN).all()


def test_the_seed_decides() -> None:
    labels = np.repeat([10, 40], 50).astype(np.int64)
    again, other = split(labels, PARAMS), split(labels, PARAMS.model_copy(update={"seed": 2}))
    assert (split(labels, PARAMS) == again).all()
    assert (again != other).any()


def test_the_committed_params_are_valid() -> None:
    assert load_params().import_data.source is None


def test_a_wrong_parameter_is_named(tmp_path: Path) -> None:
    text = Path("params.yaml").read_text().replace("epochs: 30", "epochs: many")
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"train\.image\.epochs"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("size", [96, 200, 256])
def test_a_size_that_vgg16_is_not_served_at_is_refused(tmp_path: Path, size: int) -> None:
    text = re.sub(r"image_size: \d+", f"image_size: {size}", Path("params.yaml").read_text())
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"preprocess\.image_size"):
        load_params(tmp_path / "params.yaml")
