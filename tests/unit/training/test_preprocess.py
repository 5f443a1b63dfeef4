import re
from pathlib import Path

import pytest

from shared.pipeline.params import ParamsError, load_params


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
