"""The protected set: what judges must be right, so a set with a mistake is refused."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from shared.model.known import KnownItems
from tests.rakuten import CATEGORIES, CODES
from tests.unit.training import shop
from training.catalogue.challenge import LABELS_FILE, PICTURES_FOLDER, PRODUCTS_FILE
from training.catalogue.errors import CatalogueError
from training.catalogue.places import folder
from training.catalogue.tables import find_categories
from training.judge.protected import ProtectedSet, read_protected
from training.pipeline.categories import Categories
from training.sample.catalogue import generate

Rows = list[list[str]]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    generate(tmp_path / "source", per_type=2, test_items=0, seed=5)
    return tmp_path / "source"


def read(source: Path) -> ProtectedSet:
    return read_protected(str(source), source.parent / "read", CATEGORIES)


def edit(path: Path, change: Callable[[Rows], object]) -> None:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    change(rows)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def test_every_item_is_read_once_with_its_label(source: Path) -> None:
    def add_a_copy(rows: Rows) -> None:
        rows.append(["900", *rows[0][1:]])

    before = read(source)
    edit(source / PRODUCTS_FILE, add_a_copy)
    edit(source / LABELS_FILE, add_a_copy)
    found = read(source)
    assert len(found.items) == len(before.items)
    assert set(np.bincount(before.items.classes, minlength=len(CODES))) <= {1, 2}
    assert 0 < before.items.has_image.sum() < len(before.items)


def test_its_name_follows_from_its_content(source: Path) -> None:
    before = read(source)
    assert read(source).name == before.name
    edit(source / LABELS_FILE, lambda rows: rows[0].__setitem__(1, "2905"))
    assert read(source).name != before.name


def test_items_that_a_model_has_learned_are_left_out(source: Path) -> None:
    items = read(source).items
    learned = np.arange(len(items)) < 5
    known = KnownItems(items.identities, np.array(CODES)[items.classes], learned)
    assert set(read(source).unlearned(known, None).identities) == set(items.identities[5:])
    assert len(read(source).unlearned(None).identities) == len(items)


def _without_label(source: Path) -> None:
    edit(source / LABELS_FILE, lambda rows: rows.pop(3))


def _unknown_code(source: Path) -> None:
    edit(source / LABELS_FILE, lambda rows: rows[3].__setitem__(1, "99"))


def _two_labels(source: Path) -> None:
    edit(source / PRODUCTS_FILE, lambda rows: rows.append(["900", *rows[0][1:]]))
    edit(source / LABELS_FILE, lambda rows: rows.append(["900", "2905" if rows[0][1] != "2905" else "10"]))


def _broken_picture(source: Path) -> None:
    next(iter(sorted((source / PICTURES_FOLDER).iterdir()))).write_bytes(b"no picture")


def _missing_file(source: Path) -> None:
    (source / LABELS_FILE).unlink()


def _no_row(source: Path) -> None:
    edit(source / PRODUCTS_FILE, list.clear)
    edit(source / LABELS_FILE, list.clear)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without_label, "row 3: the label is missing or is no category that this training knows"),
        (_unknown_code, "row 3: the label is missing or is no category that this training knows"),
        (_two_labels, "rows 0, 900 are one item with different labels"),
        (_broken_picture, "cannot be decoded"),
        (_missing_file, f"{LABELS_FILE} is missing"),
        (_no_row, "has no row"),
    ],
)
def test_a_mistake_is_named(source: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(source)
    with pytest.raises(CatalogueError, match=message):
        read(source)


def test_a_table_with_pictures_beside_it_is_read_as_a_set(tmp_path: Path) -> None:
    rows = shop.rows(per_leaf=3)
    shop.write(tmp_path / "set" / "checked.xlsx", shop.HEADING, rows)
    shop.unpacked(tmp_path / "set", shop.pictures(rows))
    shop.write(tmp_path / "taxonomy.csv", shop.CATEGORIES[0], shop.CATEGORIES[1:])
    named = find_categories(folder(str(tmp_path)), None)
    assert named is not None
    categories = Categories.of(named.read(), shop.LEAVES)
    found = read_protected(str(tmp_path / "set" / "checked.xlsx"), tmp_path / "read", categories)
    assert len(found.items) == 36
    assert found.items.has_image.sum() == 24
    assert list(np.bincount(found.items.classes)) == [3] * 12
    fewer = Categories.of(named.read(), shop.LEAVES[1:])
    with pytest.raises(CatalogueError, match=r"checked.xlsx, row 2: the label is missing or is no category"):
        read_protected(str(tmp_path / "set"), tmp_path / "read", fewer)
