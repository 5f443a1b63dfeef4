"""A generated catalogue for the tests that look into one, or damage it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from shared.settings import get_settings
from tests.unit.training.catalogue_files import serve
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


@pytest.fixture
def elsewhere(catalogue: Path) -> Iterator[dict[str, str]]:
    """The catalogue in other places, by kind of source."""
    memory = fsspec.filesystem("memory")
    memory.put(str(catalogue), "/shop/catalogue", recursive=True)
    archive = shutil.make_archive(str(catalogue), "zip", catalogue)
    with serve(catalogue.parent) as site:
        yield {
            "memory": "memory://shop/catalogue",
            "zip": f"zip://::{archive}",
            "http": f"{site}/catalogue/",
            "relative": f"{catalogue.name}/",
        }
    memory.rm("/shop", recursive=True)


@pytest.fixture
def _allowed_loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CATALOG_ALLOWED_NETWORKS", '["127.0.0.0/8"]')
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()
