"""A generated catalogue for the tests that look into one, or damage it."""

import shutil
from pathlib import Path

import pytest

from training.sample.catalogue import generate


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """108 products, 4 of each type: more than the import reads ahead."""
    folder = tmp_path_factory.mktemp("catalogue")
    generate(folder, per_type=4, test_items=0, seed=11)
    return folder


@pytest.fixture
def catalogue(pristine: Path, tmp_path: Path) -> Path:
    """A copy to change or damage."""
    return Path(shutil.copytree(pristine, tmp_path / "catalogue"))
