"""`python -m training.import_data`, as DVC runs it: a process of its own in a folder with a params.yaml."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.training.catalogue_files import X, Y, illustrated, products
from training.sample.catalogue import generate

REPOSITORY = Path(__file__).parents[3]


def run_stage(folder: Path, source: str | None) -> subprocess.CompletedProcess[str]:
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params["import_data"] = {"source": source, "unlabelled": [], "sample": {"per_type": 4, "seed": 11}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    command = [sys.executable, "-m", "training.import_data"]
    environment = {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("source", [None, "catalogue"])
def test_the_stage_imports_the_source_or_else_the_sample(tmp_path: Path, source: str | None) -> None:
    generate(tmp_path / "catalogue", per_type=4, test_items=0, seed=11)
    done = run_stage(tmp_path, source)
    with_picture = len(illustrated(tmp_path / "catalogue"))
    assert done.returncode == 0
    assert done.stdout.startswith(f"108 of 108 rows imported, {with_picture} with a picture ({with_picture} distinct).")
    assert f"picture_missing {108 - with_picture}" in done.stdout
    assert done.stderr == ""  # no progress bar where there is no terminal
    assert len(products(tmp_path / "data/imported")) == 108


def test_the_stage_ends_with_the_message_and_no_traceback(tmp_path: Path) -> None:
    done = run_stage(tmp_path, "no/such/folder")
    assert done.returncode == 1
    assert done.stderr.startswith(f"import_data: {X} is missing in no/such/folder. The source must hold")
    assert "Traceback" not in done.stderr


def test_the_stage_shows_nothing_of_a_file_that_is_no_catalogue(tmp_path: Path) -> None:
    generate(tmp_path / "catalogue", per_type=4, test_items=0, seed=11)
    for name in (Y, X):
        (tmp_path / "catalogue" / name).write_text("geheim:x:0:0:geheim:/geheim\n" * 3)
        done = run_stage(tmp_path, "catalogue")
        assert done.returncode == 1
        assert "has no column" in done.stderr
        assert "geheim" not in done.stdout + done.stderr


def test_an_unexpected_fault_is_told_by_its_place_and_kind(tmp_path: Path) -> None:
    generate(tmp_path / "catalogue", per_type=4, test_items=0, seed=11)
    labels = tmp_path / "data/labels/dataset/labels"
    labels.mkdir(parents=True)
    (labels / f"20260101T000000.000000Z-{'0' * 24}.ndjson").write_text('{"geheim": 1}\n')
    done = run_stage(tmp_path, "catalogue")
    assert done.returncode == 1
    assert done.stderr.startswith("import_data: KeyError, where this was called:")
    assert "shared/stores/labels.py" in done.stderr
    assert "geheim" not in done.stdout + done.stderr
