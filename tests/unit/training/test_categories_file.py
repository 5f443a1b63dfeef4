"""A file of categories is read in every form, and what is wrong with it is named by file and line."""

import json
from pathlib import Path

import pytest

from shared.taxonomy.writing import from_json, to_json
from tests.unit.training import shop
from training.catalogue.errors import CatalogueError
from training.catalogue.places import folder
from training.catalogue.tables import find_categories
from training.catalogue.tables.categories import read_categories

HEADING, ROWS = shop.CATEGORIES[0], shop.CATEGORIES[1:]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("taxonomy.csv", {}),
        ("taxonomy.csv", {"separator": ";", "encoding": "cp1252"}),
        ("Taxonomy.CSV", {"separator": ";", "encoding": "utf-8-sig"}),
        ("taxonomy.tsv", {"separator": "\t", "encoding": "utf-16"}),
        ("taxonomy.xlsx", {}),
    ],
)
def test_a_table_of_categories_is_read_however_it_was_saved(tmp_path: Path, name: str, form: dict[str, str]) -> None:
    shop.write(tmp_path / name, HEADING, ROWS, **form)
    file = find_categories(folder(str(tmp_path)), None)
    assert file is not None
    taxonomy = file.read()
    assert [leaf.code for leaf in taxonomy.leaves] == shop.LEAVES
    assert taxonomy.by_code["W"].names == {"en": "Women"}
    assert taxonomy.by_code["H-KIT-A"].name == "Poêles"
    assert [step.code for step in taxonomy.path("H-KIT-A")] == ["H", "H-KIT", "H-KIT-A"]


def test_json_is_read_as_a_bundle_has_it(tmp_path: Path) -> None:
    shop.write(tmp_path / "categories.csv", HEADING, ROWS)
    taxonomy = read_categories((tmp_path / "categories.csv").read_bytes(), "categories.csv")
    (tmp_path / "mine.json").write_text(to_json(taxonomy))
    named = find_categories(folder("nowhere"), str(tmp_path / "mine.json"))
    assert named is not None
    assert named.read() == from_json(to_json(taxonomy)) == taxonomy


def test_columns_are_forgiven_their_case_and_blanks() -> None:
    data = b" CODE ;Name; name : EN ;MAP: Shop ;;Parent\na;A;An A;x;stray;\nb;B;;;;a\n"
    taxonomy = read_categories(data, "t.csv")
    assert taxonomy.by_code["a"].names == {"en": "An A"}
    assert taxonomy.by_code["a"].elsewhere == {"Shop": "x"}
    assert taxonomy.by_code["b"].parent == "a"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"code,name,parent\na,A,\na,B,\nc,,x\n",
            "line 3: the code 'a' is already that of line 2; line 4: the name is",
        ),
        (b'code,name\n"a\nb",A\n,B\n', r"line 2: the code has the character '\\n'.*; line 4: the code is empty"),
        (b"code,title\na,A\n", "line 1: there is no column 'name'; line 1: the column 'title' is unknown"),
        (b"code,name,Name\na,A,B\n", "line 1: two columns are called 'name'"),
        (b"code,name\n", "line 1: there is no category"),
        (b"", "cannot be read: the table is empty"),
        (b'code,name\na,"A\n', "cannot be read: a quote in the record that begins in line 2 is not closed"),
        (b"code,name,parent\na\n", "line 2: the name is empty"),
        (b"PK\x03\x04 no workbook", "cannot be read as a workbook"),
    ],
)
def test_faults_are_named_by_file_and_line(data: bytes, message: str) -> None:
    with pytest.raises(CatalogueError, match=rf"The taxonomy mine\.csv .*{message}"):
        read_categories(data, "mine.csv")


def test_json_of_another_form_is_refused() -> None:
    with pytest.raises(CatalogueError, match=r"The taxonomy t\.json cannot be used: line 1: this is not"):
        read_categories(json.dumps(["a"]).encode(), "t.json")


def test_two_files_or_a_missing_one_are_refused(tmp_path: Path) -> None:
    assert find_categories(folder(str(tmp_path)), None) is None
    with pytest.raises(CatalogueError, match=r"There is no file .*other.csv. import_data.taxonomy in params.yaml"):
        find_categories(folder(str(tmp_path)), str(tmp_path / "other.csv"))
    for name in ("taxonomy.csv", "taxonomy.json"):
        (tmp_path / name).write_text("x")
    with pytest.raises(CatalogueError, match=r"Both taxonomy.csv and taxonomy.json lie beside the products"):
        find_categories(folder(str(tmp_path)), None)
