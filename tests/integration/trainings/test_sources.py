"""What is read from outside git and DVC is an input like any other: DVC runs the import if it has changed."""

import json
from pathlib import Path

import pytest

from shared.pipeline.workspace import clone
from tests.unit.training.catalogue_files import X, Y, serve
from tests.workspace import PARAMS, Workspace
from training.sample.catalogue import generate

SKIPPED = "Stage 'import_data' didn't change, skipping"
CACHED = "Stage 'import_data' is cached - skipping run"
SECRET = "geheim-and-made-up"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """54 products."""
    folder = tmp_path_factory.mktemp("source") / "catalogue"
    generate(folder, per_type=2, test_items=0, seed=1)
    return folder


def add_product(catalogue: Path) -> None:
    row = len((catalogue / Y).read_text().splitlines()) - 1
    with (catalogue / X).open("a") as texts, (catalogue / Y).open("a") as labels:
        texts.write(f"{row},piscine toute neuve,,{999999001 + row},999999002\n")
        labels.write(f"{row},2583\n")


def checkout(origin: Workspace, folder: Path, source: str) -> Workspace:
    """What a queued training works in: a clone with the origin's cache."""
    clone(origin.folder, "HEAD", folder)
    workspace = Workspace(folder)
    workspace.set_params({**PARAMS, "import_data": {"source": source, "unlabelled": []}})
    return workspace


def rows(workspace: Workspace) -> int:
    return int(json.loads((workspace.folder / "data/imported/report.json").read_text())["rows_read"])


def test_new_products_are_imported_and_unchanged_sources_skipped(
    workspace: Workspace, catalogue: Path, tmp_path: Path
) -> None:
    origin = workspace.copy(tmp_path / "origin")
    first = checkout(origin, tmp_path / "first", str(catalogue))
    first.run("dvc", "repro", "import_data")
    before = rows(first)
    assert SKIPPED in first.run("dvc", "repro", "import_data")

    fresh = checkout(origin, tmp_path / "fresh", str(catalogue))
    assert CACHED in fresh.run("dvc", "repro", "import_data")

    add_product(catalogue)
    assert "1 new of the products (" in first.run("dvc", "repro", "import_data")
    assert rows(first) == before + 1

    later = checkout(origin, tmp_path / "later", str(catalogue))
    assert CACHED in later.run("dvc", "repro", "import_data")
    assert rows(later) == before + 1


def test_a_password_in_the_sources_address_stays_in_params(
    workspace: Workspace, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATALOG_ALLOWED_NETWORKS", '["127.0.0.0/8"]')
    with serve(catalogue) as site:
        url = site.replace("://", f"://shop:{SECRET}@")
        there = checkout(workspace.copy(tmp_path / "origin"), tmp_path / "there", url)
        told = there.run("dvc", "repro", "import_data") + there.run("dvc", "repro", "import_data")
    assert SKIPPED in told
    assert SECRET not in told
    written = [
        *there.folder.glob("data/**/*.json"),
        *there.folder.glob("dvc.*"),
        *tmp_path.glob("*/.dvc/cache/runs/**/*"),
    ]
    for file in written:
        assert not file.is_file() or SECRET not in file.read_text(), file
    assert any(file.is_file() and "import_data" in file.read_text() for file in written if "runs" in file.parts)
