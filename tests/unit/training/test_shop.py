"""The shop's catalogue of the demonstrations."""

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from shared.taxonomy import RAKUTEN
from training.sample.shop import PICTURES_FOLDER, PRODUCTS_FILE, generate, products


def test_every_category_has_products_in_three_languages() -> None:
    found = products()
    assert len(found) >= 120
    assert set(Counter(product.code for product in found)) == {leaf.code for leaf in RAKUTEN.leaves}
    assert min(Counter(product.code for product in found).values()) >= 4
    assert min(Counter(product.language for product in found).values()) >= 20
    assert len({product.title for product in found}) == len(found)


def test_the_table_names_pictures_that_are_there(tmp_path: Path) -> None:
    generate(tmp_path)
    again = tmp_path / "again"
    generate(again)
    table = (tmp_path / PRODUCTS_FILE).read_bytes()
    assert table == (again / PRODUCTS_FILE).read_bytes()
    named = {line.split(b",")[-2].decode() for line in table.splitlines()[1:]} - {""}
    there = {path.name for path in (tmp_path / PICTURES_FOLDER).iterdir()}
    assert named == there
    with Image.open(tmp_path / PICTURES_FOLDER / min(there)) as picture:
        assert picture.format == "JPEG"
    with pytest.raises(FileExistsError):
        generate(tmp_path)


def test_fewer_are_the_first_ones(tmp_path: Path) -> None:
    generate(tmp_path / "all")
    generate(tmp_path / "few", 7)
    everything, few = ((tmp_path / name / PRODUCTS_FILE).read_text() for name in ("all", "few"))
    assert len(few.splitlines()) == 8
    assert everything.startswith(few)
