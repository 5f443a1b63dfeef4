"""The sample catalogue: the challenge's format, deterministic, uneven like real data, never over other data."""

import csv
import hashlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.rakuten import CODES
from training.sample.catalogue import generate

PER_TYPE = 6
TEST_ITEMS = 30


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    generate(folder, per_type=PER_TYPE, test_items=TEST_ITEMS, seed=7)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_tables_have_the_challenges_columns_and_running_row_numbers(catalogue: Path) -> None:
    train, test = rows(catalogue / "X_train_update.csv"), rows(catalogue / "X_test_update.csv")
    labels = rows(catalogue / "Y_train_CVw08PX.csv")
    columns = ["", "designation", "description", "productid", "imageid"]
    assert list(train[0]) == list(test[0]) == columns
    assert list(labels[0]) == ["", "prdtypecode"]
    assert [int(row[""]) for row in train + test] == list(range(27 * PER_TYPE + TEST_ITEMS))
    assert [row[""] for row in labels] == [row[""] for row in train]
    assert Counter(row["prdtypecode"] for row in labels) == dict.fromkeys(CODES, PER_TYPE)
    assert len({row["productid"] for row in train + test}) == len(train + test)


@pytest.mark.parametrize(("table", "folder"), [("X_train_update", "image_train"), ("X_test_update", "image_test")])
def test_pictures_are_jpegs_of_their_rows_and_about_one_in_ten_is_not_there(
    catalogue: Path, table: str, folder: str
) -> None:
    items = rows(catalogue / f"{table}.csv")
    named = {f"image_{item['imageid']}_product_{item['productid']}.jpg" for item in items}
    there = {path.name for path in (catalogue / "images" / folder).iterdir()}
    assert there < named
    assert 0.8 < len(there) / len(named) < 0.98
    for name in there:
        with Image.open(catalogue / "images" / folder / name, formats=["JPEG"]) as picture:
            picture.load()
            assert 224 <= picture.width == picture.height <= 500


def test_texts_are_as_uneven_as_real_ones(catalogue: Path) -> None:
    items = rows(catalogue / "X_train_update.csv")
    cleaned = [item for item in items if re.fullmatch(r"[a-z0-9 ]+", item["designation"])]
    assert 0.35 < len(cleaned) / len(items) < 0.65
    assert not any(item["description"] for item in cleaned)
    descriptions = [item["description"] for item in items if item["description"]]
    assert any("<li>" in text and "&eacute;" in text for text in descriptions)
    assert any("<" not in text for text in descriptions)
    assert any(re.search("[éèàç]", item["designation"]) for item in items)
    assert not any(re.search("[{}]", item["designation"] + item["description"]) for item in items)


def test_types_differ_in_words_and_pictures_but_some_items_mislead(catalogue: Path) -> None:
    """Nearest neighbours, each item left out once: well above 1 in 27 by either, and by neither right every time."""
    labels = [row["prdtypecode"] for row in rows(catalogue / "Y_train_CVw08PX.csv")]
    items = rows(catalogue / "X_train_update.csv")
    words = [frozenset(re.findall(r"\w{4,}", item["designation"].lower())) for item in items]
    pixels = {
        index: Image.open(path).resize((8, 8)).tobytes()
        for index, item in enumerate(items)
        if (path := catalogue / f"images/image_train/image_{item['imageid']}_product_{item['productid']}.jpg").exists()
    }

    def by_words(one: int, other: int) -> float:
        return len(words[one] & words[other]) / (1 + len(words[one] | words[other]))

    def by_pixels(one: int, other: int) -> float:
        return -sum(abs(a - b) for a, b in zip(pixels[one], pixels[other], strict=True))

    def nearest(index: int, among: range | list[int], likeness: Callable[[int, int], float]) -> int:
        return max((other for other in among if other != index), key=lambda other: likeness(index, other))

    text_hits = [labels[nearest(i, range(len(items)), by_words)] == labels[i] for i in range(len(items))]
    picture_hits = [labels[nearest(i, list(pixels), by_pixels)] == labels[i] for i in pixels]
    assert 0.3 < sum(text_hits) / len(text_hits) < 0.95
    assert 0.3 < sum(picture_hits) / len(picture_hits) < 0.95


def test_same_seed_same_files_other_seed_other_files(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        generate(tmp_path / name, per_type=1, test_items=3, seed=seed)
    assert digests(tmp_path / "one") == digests(tmp_path / "again")
    assert digests(tmp_path / "one") != digests(tmp_path / "two")


def test_refuses_to_overwrite_a_catalogue(tmp_path: Path) -> None:
    precious = tmp_path / "X_train_update.csv"
    precious.write_text("real data")
    with pytest.raises(FileExistsError, match="already holds"):
        generate(tmp_path)
    assert precious.read_text() == "real data"
    assert list(tmp_path.iterdir()) == [precious]


@pytest.mark.parametrize(("per_type", "test_items"), [(0, 5), (1, -1)])
def test_refuses_impossible_sizes(tmp_path: Path, per_type: int, test_items: int) -> None:
    with pytest.raises(ValueError, match=f"per_type is {per_type} and test_items {test_items}"):
        generate(tmp_path, per_type=per_type, test_items=test_items)


def test_it_is_written_where_there_is_nothing_to_train_with(tmp_path: Path) -> None:
    """The workers' image has none of these, and `docker compose run demo` writes it there."""
    missing = ("pandas", "pyarrow", "sklearn", "scipy", "tensorflow", "keras", "dvc", "matplotlib", "mlflow.tracking")
    program = (
        f"import sys, runpy; sys.modules.update(dict.fromkeys({missing!r})); sys.argv = ['sample', {str(tmp_path)!r}, "
        "'--per-type', '1', '--test-items', '2']; runpy.run_module('training.sample.catalogue', run_name='__main__')"
    )
    ran = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "X_test_update.csv").is_file()


def test_command_line_writes_what_the_function_writes(tmp_path: Path) -> None:
    generate(tmp_path / "function", per_type=1, test_items=2, seed=5)
    options = ["--per-type", "1", "--test-items", "2", "--seed", "5"]
    command = [sys.executable, "-m", "training.sample.catalogue", str(tmp_path / "command"), *options]
    subprocess.run(command, check=True)
    assert digests(tmp_path / "command") == digests(tmp_path / "function")
    refused = subprocess.run(command, check=False, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "already holds" in refused.stderr
    assert "Traceback" not in refused.stderr
