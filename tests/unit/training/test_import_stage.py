"""`python -m training.import_data`, as DVC runs it: a process of its own in a folder with a params.yaml."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.training import shop
from tests.unit.training.catalogue_files import X, Y, illustrated, picture_files, products
from training.sample.catalogue import generate

REPOSITORY = Path(__file__).parents[3]


def run_stage(
    folder: Path, source: str | None, stage: str = "import_data", weights: str = "starter", **more: Any
) -> subprocess.CompletedProcess[str]:
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params["import_data"] = {"source": source, "unlabelled": [], "sample": {"per_type": 4, "seed": 11}, **more}
    params["preprocess"]["vgg16_weights"] = weights
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    command = [sys.executable, "-m", f"training.{stage}"]
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


def _append(catalogue: Path, row: int) -> None:
    with (catalogue / X).open("a") as texts, (catalogue / Y).open("a") as labels:
        texts.write(f"{row},piscine toute neuve,,{999999001 + row},999999002\n")
        labels.write(f"{row},2583\n")


def test_a_source_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    generate(tmp_path / "catalogue", per_type=4, test_items=0, seed=11)
    assert run_stage(tmp_path, "catalogue", "list_inputs").returncode == 0
    _append(tmp_path / "catalogue", 108)
    late = run_stage(tmp_path, "catalogue")
    assert late.returncode == 1
    assert "has changed since this run listed it: 1 new of the products (999999109)" in late.stderr
    assert run_stage(tmp_path, "catalogue", "list_inputs").returncode == 0
    assert run_stage(tmp_path, "catalogue").returncode == 0


def test_what_is_new_changed_and_gone_is_told_of_the_last_import(tmp_path: Path) -> None:
    generate(tmp_path / "catalogue", per_type=4, test_items=0, seed=11)
    first = run_stage(tmp_path, "catalogue", "list_inputs")
    assert "The source holds 108 products" in first.stdout
    assert "This source was not imported on this machine before" in first.stdout
    assert run_stage(tmp_path, "catalogue").returncode == 0
    assert "Since the last import: nothing has changed." in run_stage(tmp_path, "catalogue", "list_inputs").stdout
    _append(tmp_path / "catalogue", 108)
    picture_files(tmp_path / "catalogue")[illustrated(tmp_path / "catalogue")[0]].unlink()
    told = run_stage(tmp_path, "catalogue", "list_inputs").stdout
    assert "1 new of the products (999999109); 1 gone of the pictures (image_" in told
    changes = json.loads((tmp_path / "data/inputs/changes.json").read_text())
    assert changes["products"] == {"count": 109, "new": 1, "changed": 0, "gone": 0}


def test_weights_in_a_file_are_listed_by_their_content(tmp_path: Path) -> None:
    listed = []
    for content in (b"one", b"two"):
        (tmp_path / "weights.h5").write_bytes(content)
        assert run_stage(tmp_path, None, "list_inputs", "weights.h5").returncode == 0
        listed.append((tmp_path / "data/inputs/weights.json").read_text())
    assert listed[0] != listed[1]


def test_a_table_is_imported_with_its_columns_named_or_guessed(tmp_path: Path) -> None:
    table = shop.rows(per_leaf=5)
    shop.write(tmp_path / "shop" / "products.csv", ["SKU", "Texte court", *shop.HEADING[2:]], table, separator=";")
    shop.write(tmp_path / "shop" / "taxonomy.csv", shop.CATEGORIES[0], shop.CATEGORIES[1:])
    shop.zipped(tmp_path / "shop" / "photos.zip", shop.pictures(table))
    columns = {"title": "texte court", "description": ""}
    listed = run_stage(tmp_path, "shop/products.csv", "list_inputs", columns=columns)
    assert "The source holds 60 products, 48 pictures" in listed.stdout
    done = run_stage(tmp_path, "shop/products.csv", columns=columns)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "products.csv is CSV in UTF-8 with semicolons. Its columns: id in 'SKU' (guessed), title in 'Texte court', "
        "picture in 'Photo' (guessed), category in 'Catégorie' (guessed); not used: 'Descriptif', 'Prix'.\n"
    )
    assert "taxonomy.csv has 12 categories that items are labelled with" in done.stdout
    assert "60 of 60 rows imported, 48 with a picture (48 distinct). Findings: none." in done.stdout
