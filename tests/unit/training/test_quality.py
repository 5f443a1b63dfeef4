"""The quality of an import: a generated catalogue without duplicates, and what each of them does to the report."""

import io
import json
import re
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from api.items import schemas
from benchmarks.invented_catalogue import taxonomy
from tests.rakuten import CODES
from tests.unit.training.catalogue_files import (
    DESCRIPTION,
    DESIGNATION,
    PRODUCTID,
    Table,
    X,
    Y,
    contents,
    edit,
    illustrated,
    picture_files,
    read,
)
from tests.unit.training.test_import_stage import run_stage
from training.catalogue import quality_page, schema
from training.catalogue.duplicates import ALONE, group, perceptual_hash, same, similar_pictures, similar_texts
from training.catalogue.errors import CatalogueError
from training.catalogue.quality import Figures, count_classes, write_quality
from training.catalogue.schema import SchemaError, check_schema
from training.catalogue.sources import open_source
from training.import_data import import_catalogue

TITLE = "Housse de coussin carrée en lin lavé bleu nuit 40 x 40 cm"  # 12 words
SIMILAR_TITLE = "housse de coussin carree en LIN lavé bleu ciel 40 x 40 cm"  # 10 of 12 different words
OTHER_TITLE = "Housse de couette en coton vert sauge 220 x 240 cm"


@pytest.fixture(scope="module")
def pristine(pristine: Path) -> Path:
    """108 products, 4 of each type; row n is of type n // 4."""
    labels = [[str(n), str(CODES[n // 4])] for n in range(108)]
    edit(pristine / Y, lambda table: table.__setitem__(slice(1, None), labels))
    return pristine


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    return tmp_path / "imported"


def assess(catalogue: Path, imported: Path) -> Figures:
    import_catalogue(open_source(str(catalogue)), imported)
    return write_quality(imported)


def entitle(catalogue: Path, titles: dict[int, str]) -> None:
    """Give rows a title and no description."""

    def change(table: Table) -> None:
        for row, title in titles.items():
            table[row + 1][DESIGNATION], table[row + 1][DESCRIPTION] = title, ""

    edit(catalogue / X, change)


def issues(imported: Path, issue: str) -> dict[int, tuple[str, str]]:
    """Group and detail by row."""
    lines = read(imported / "quality_issues.csv")[1:]
    return {int(row): (name, detail) for row, _, found, name, detail in lines if found == issue}


def groups(imported: Path, likeness: str) -> set[frozenset[int]]:
    rows: dict[str, set[int]] = {}
    for row, (name, _) in issues(imported, likeness).items():
        rows.setdefault(name, set()).add(row)
    return set(map(frozenset, rows.values()))


# Duplicates


def test_a_catalogue_without_duplicates_has_none(pristine: Path, imported: Path) -> None:
    figures = assess(pristine, imported)
    assert {found["rows"] for found in figures["duplicates"].values()} == {0}
    assert figures["conflicting_labels"] == 0
    assert {line[2] for line in read(imported / "quality_issues.csv")[1:]} == {"picture_missing"}


def test_same_and_similar_texts_are_told_apart(catalogue: Path, imported: Path) -> None:
    entitle(catalogue, {0: TITLE, 1: f"<b>{TITLE.upper()}</b>", 2: SIMILAR_TITLE, 3: OTHER_TITLE, 9: OTHER_TITLE + "!"})
    figures = assess(catalogue, imported)
    assert groups(imported, "same_text") == {frozenset({0, 1}), frozenset({3, 9})}
    assert groups(imported, "similar_text") == {frozenset({0, 1, 2})}
    assert groups(imported, "related") == {frozenset({0, 1, 2}), frozenset({3, 9})}
    assert issues(imported, "similar_text")[2] == ("similar_text-0", "one of 3")
    assert figures["duplicates"]["same_text"] == {
        "groups": 2,
        "rows": 4,
        "largest_group": 2,
        "groups_with_several_labels": 1,
        "rows_with_several_labels": 2,
    }
    assert figures["leakage"]["rows_with_same_text_or_picture"] == 4
    assert figures["leakage"]["rows_related"] == 5


def _compressed(data: bytes) -> bytes:
    """The same picture, smaller and as another JPEG."""
    picture, copy = Image.open(io.BytesIO(data)), io.BytesIO()
    picture.resize((picture.width * 2 // 3, picture.height * 2 // 3)).save(copy, format="JPEG", quality=60)
    return copy.getvalue()


def test_same_and_similar_pictures_are_told_apart(catalogue: Path, imported: Path) -> None:
    one, copy, similar = illustrated(catalogue)[:3]
    files = picture_files(catalogue)
    shutil.copy(files[one], files[copy])
    files[similar].write_bytes(_compressed(files[one].read_bytes()))
    figures = assess(catalogue, imported)
    assert groups(imported, "same_picture") == {frozenset({one, copy})}
    assert groups(imported, "similar_picture") == groups(imported, "related") == {frozenset({one, copy, similar})}
    assert figures["pictures"]["rows_with_picture"] - figures["pictures"]["distinct"] == 1


def test_rows_are_related_through_others(catalogue: Path, imported: Path) -> None:
    one, two, three = illustrated(catalogue)[:3]
    entitle(catalogue, {one: TITLE, two: TITLE})
    shutil.copy(picture_files(catalogue)[two], picture_files(catalogue)[three])
    assess(catalogue, imported)
    assert groups(imported, "related") == {frozenset({one, two, three})}
    assert groups(imported, "same_text_and_picture") == set()


def test_rows_with_the_same_text_and_picture(catalogue: Path, imported: Path) -> None:
    one, two = illustrated(catalogue)[:2]
    entitle(catalogue, {one: TITLE, two: TITLE})
    shutil.copy(picture_files(catalogue)[one], picture_files(catalogue)[two])
    assess(catalogue, imported)
    assert groups(imported, "same_text_and_picture") == {frozenset({one, two})}


# Labels


def test_conflicting_labels_are_listed_with_the_labels_of_their_group(catalogue: Path, imported: Path) -> None:
    entitle(catalogue, {0: TITLE, 1: TITLE, 40: TITLE, 80: OTHER_TITLE, 81: OTHER_TITLE})
    figures = assess(catalogue, imported)
    assert figures["conflicting_labels"] == 3
    assert issues(imported, "conflicting_labels") == {
        0: ("same_text-0", "10 among 10, 1301"),
        1: ("same_text-0", "10 among 10, 1301"),
        40: ("same_text-0", "1301 among 10, 1301"),
    }
    page = (imported / "quality.md").read_text(encoding="utf-8")
    assert "| same text | 3 | 10, 1301 | row 0 (id " in page


def test_rows_that_are_related_through_others_alone_do_not_conflict(catalogue: Path, imported: Path) -> None:
    """Rows 0 and 8 have nothing in common: each has something of row 4, which has the label of neither."""
    files = picture_files(catalogue)
    for row in (0, 4, 8):
        Image.effect_noise((64, 64), 90).save(files[row], format="JPEG")
    shutil.copy(files[0], files[4])
    entitle(catalogue, {4: TITLE, 8: TITLE})
    assess(catalogue, imported)
    labels = [line[4] for line in read(imported / "quality_issues.csv") if line[2] == "conflicting_labels"]
    assert groups(imported, "related") == {frozenset({0, 4, 8})}
    assert sorted(labels) == ["10 among 10, 40", "40 among 10, 40", "40 among 40, 50", "50 among 40, 50"]


def test_classes_are_counted_those_without_rows_too(catalogue: Path, imported: Path) -> None:
    edit(catalogue / Y, lambda table: [line.__setitem__(1, "2705") for line in table[1:5]])
    figures = assess(catalogue, imported)
    classes = pd.read_csv(imported / "quality_classes.csv", dtype={"category": str})
    assert list(classes.columns) == ["category", "name", "items"]
    assert set(classes["category"]) == set(CODES)
    assert (imported / "quality_largest.csv").read_bytes() == (imported / "quality_classes.csv").read_bytes()
    assert classes.iloc[0].to_list() == ["2705", "Livres neufs", 8]
    assert classes.iloc[-1].to_list() == ["10", "Livres d'occasion", 0]
    assert figures["classes"] == {"present": 26, "largest": 8, "smallest": 4, "imbalance_ratio": 2.0}


def test_of_many_categories_the_page_lists_the_largest_and_the_smallest(tmp_path: Path) -> None:
    tree = taxonomy(5000)
    counts = {leaf.code: 1 + max(0, 100 - number) for number, leaf in enumerate(tree.leaves[:4000])}
    products = pd.DataFrame({"category": np.repeat(list(counts), list(counts.values()))})
    classes = count_classes(products, tree)
    present = {"present": 4000, "imbalance_ratio": 101.0}
    page = "\n\n".join(quality_page._classes(present, len(products), classes))
    listed = re.findall(r"^\| (LEAF-\d+) \| Category \d+ \| (\d+) \|", page, re.MULTILINE)
    assert [int(rows) for _, rows in listed] == [*range(101, 61, -1), *[1] * 20]
    assert "4,000 of 5,000 occur" in page
    assert "`quality_classes.csv` has them all. The 40 largest:" in page


# Rows, pictures and texts


def test_every_dropped_row_is_listed(catalogue: Path, imported: Path) -> None:
    def damage(table: Table) -> None:
        table[11][PRODUCTID] = table[10][PRODUCTID]
        table[21][DESIGNATION] = table[21][DESCRIPTION] = " "

    edit(catalogue / X, damage)
    edit(catalogue / Y, lambda table: [table[31].__setitem__(1, ""), table[41].__setitem__(1, "11")])
    picture_files(catalogue)[20].unlink(missing_ok=True)
    broken = illustrated(catalogue)[0]
    picture_files(catalogue)[broken].write_bytes(b"<html>")
    figures = assess(catalogue, imported)
    kept = set(pd.read_parquet(imported / "products.parquet")["row"])
    listed = {reason: set(issues(imported, reason)) for reason in figures["rows"]["dropped"]}
    assert listed == {"duplicate_product": {10}, "empty": {20}, "no_label": {30}, "unknown_code": {40}}
    assert set(range(108)) - kept == set().union(*listed.values())
    assert figures["rows"] == {"read": 108, "kept": 104, "dropped": dict.fromkeys(listed, 1)}
    assert set(issues(imported, "picture_unreadable")) == {broken}
    assert figures["pictures"]["missing"] == len(issues(imported, "picture_missing"))
    assert all(f"row dropped: {reason} | 1 |" in (imported / "quality.md").read_text() for reason in listed)


def test_a_row_that_is_neither_kept_nor_listed_is_an_error(catalogue: Path, imported: Path) -> None:
    edit(catalogue / Y, lambda table: table[51].__setitem__(1, ""))
    import_catalogue(open_source(str(catalogue)), imported)
    edit(imported / "report.csv", lambda table: table.remove(next(line for line in table if line[2] == "no_label")))
    with pytest.raises(CatalogueError, match="108 rows were read, but 107 were kept and 0 are listed as dropped"):
        write_quality(imported)


def test_lengths_of_texts(catalogue: Path, imported: Path) -> None:
    illustrated_row = illustrated(catalogue)[0]
    entitle(catalogue, dict.fromkeys(range(108), "un deux trois quatre"))
    entitle(catalogue, {illustrated_row: "--", 50: "mot " * 100, 51: "un"})
    texts = assess(catalogue, imported)["texts"]
    assert texts["words_per_title"] == {
        "minimum": 0,
        "p05": 4,
        "p25": 4,
        "median": 4,
        "p75": 4,
        "p95": 4,
        "maximum": 100,
    }
    assert texts["titles_by_least_words"] == {
        "0": 1, "1": 1, "3": 105, "5": 0, "9": 0, "17": 0, "33": 0, "65": 1, "129": 0
    }  # fmt: skip
    assert texts["share_of_texts_over_words"]["64"] == round(1 / 108, 4)
    assert texts["share_with_description"] == 0
    assert set(issues(imported, "no_words")) == {illustrated_row}
    assert issues(imported, "long_title") == {50: ("", "400 characters")}


def test_the_report_contains_no_products_text(catalogue: Path, imported: Path) -> None:
    entitle(catalogue, {row: f"Zyxwvut {row // 2} " + "zyxwvut" * 40 for row in range(8)})
    assess(catalogue, imported)
    report = [path for path in imported.iterdir() if path.name.startswith("quality")]
    assert len(report) == 5
    assert not any("zyxwvut" in path.read_text(encoding="utf-8").lower() for path in report)


def test_the_same_import_gives_the_same_bytes(catalogue: Path, imported: Path, tmp_path: Path) -> None:
    entitle(catalogue, {0: TITLE, 5: TITLE, 2: SIMILAR_TITLE, 3: OTHER_TITLE, 9: OTHER_TITLE})
    figures = assess(catalogue, imported)
    assess(catalogue, tmp_path / "again")
    assert contents(imported) == contents(tmp_path / "again")
    assert json.loads((imported / "quality.json").read_text()) == figures


# The schema


@pytest.fixture(scope="module")
def products(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("imported")
    import_catalogue(open_source(str(pristine)), folder)
    return pd.read_parquet(folder / "products.parquet")


def test_every_violation_is_named_with_its_rows_and_without_the_text(products: pd.DataFrame) -> None:
    secret = "zyxwvut" * 2000
    wrong = products.copy()
    wrong.loc[3, "title"] = wrong.loc[90, "description"] = secret * 4
    wrong.loc[[5, 6], "id"] = "7"
    wrong.loc[107, "category"] = ""
    wrong.loc[8, "picture"] = "ABC"
    wrong.loc[[10, 12], ["title", "description", "picture"]] = None
    wrong["row"] += 1000
    with pytest.raises(SchemaError) as error:
        check_schema(wrong)
    head, *lines = str(error.value).splitlines()
    assert head == "the products do not follow training/catalogue/schema.py:"
    assert {line.strip().split(": must be ")[0] for line in lines} == {
        "title, row 1003",
        "description, row 1090",
        "id, rows 1005, 1006",
        "category, row 1107",
        "picture, row 1008",
        "title or description or picture, rows 1010, 1012",
    }
    assert "zyxwvut" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda products: products.drop(columns="picture"), "picture, every row: must be the sha256"),
        (lambda products: products.assign(category=10), "category, every row: must be the code of a category"),
        (lambda products: products.assign(row=0), "row, rows 0, 0, .*: must be a whole number from 0, each once"),
        (lambda products: products.assign(more=1), "more, every row: must be left out"),
    ],
)
def test_wrong_columns_are_named(
    products: pd.DataFrame, change: Callable[[pd.DataFrame], pd.DataFrame], named: str
) -> None:
    with pytest.raises(SchemaError, match=named):
        check_schema(change(products))


def test_the_limits_are_those_of_the_service() -> None:
    limits = schemas.ItemIn.model_json_schema()["properties"]
    for column, name in (("title", "title"), ("description", "description")):
        accepted = limits[name]["anyOf"][0]["maxLength"]
        assert f"at most {accepted:,} characters" in schema.RULES[column]


def test_the_stage_ends_with_the_violations_and_no_traceback(pristine: Path, tmp_path: Path) -> None:
    shutil.copytree(pristine, tmp_path / "catalogue")
    entitle(tmp_path / "catalogue", {2: "x" * 10_001, 7: "y" * 10_002})
    done = run_stage(tmp_path, "catalogue")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "import_data: the products do not follow training/catalogue/schema.py:\n  title, rows 2, 7:"
    )
    assert "Traceback" not in done.stderr


def test_the_stage_leaves_the_report_beside_the_import(tmp_path: Path) -> None:
    done = run_stage(tmp_path, None)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Quality: 0 rows are like another row that has another label" in done.stdout
    assert (tmp_path / "data/imported/quality.md").exists()


# What the search for duplicates promises of any input

TEXTS = st.lists(st.lists(st.sampled_from("abcdefghijkl"), max_size=12), max_size=30)


@given(TEXTS, st.fractions(min_value=Fraction(1, 2), max_value=1, max_denominator=10))
def test_similar_texts_are_all_pairs_within_the_threshold(texts: list[list[str]], threshold: Fraction) -> None:
    first = {tuple(text): row for row, text in reversed(list(enumerate(texts))) if text}
    expected = {
        (one, other)
        for one in first.values()
        for other in first.values()
        if one < other
        and Fraction(len(set(texts[one]) & set(texts[other])), len(set(texts[one]) | set(texts[other]))) >= threshold
    }
    found = [(one, other) for one, other in similar_texts(texts, threshold).tolist()]
    assert len(found) == len(set(found))
    assert set(found) == expected


@given(st.data())
def test_similar_pictures_are_all_pairs_within_the_distance(data: st.DataObject) -> None:
    distance = data.draw(st.integers(0, 20))
    base = np.random.default_rng(data.draw(st.integers(0, 99))).random(255) < 0.5
    flips = data.draw(st.lists(st.sets(st.integers(0, 254), max_size=15), min_size=1, max_size=12))
    bits = {str(row): base ^ np.isin(np.arange(255), list(flipped)) for row, flipped in enumerate(flips)}
    found = {(one, other) for one, other in similar_pictures(list(bits), bits, distance).tolist()}
    rows = range(len(flips))
    expected = {(i, j) for i in rows for j in rows if i < j and len(flips[i] ^ flips[j]) <= distance}
    assert found == expected


@given(TEXTS)
def test_groups_part_the_rows_and_keep_every_pair_together(texts: list[list[str]]) -> None:
    copies, similar = same(" ".join(text) or None for text in texts), similar_texts(texts)
    together, alike = group(len(texts), copies), group(len(texts), similar, copies)
    for groups in (together, alike):
        inside = np.flatnonzero(groups != ALONE)
        firsts, sizes = np.unique(groups[inside], return_counts=True)
        assert (groups[firsts] == firsts).all()  # named by their first row, so that no two have a name in common
        assert (groups[inside] <= inside).all()
        assert (sizes > 1).all()
    for row, text in enumerate(texts):
        copied = [other for other, its in enumerate(texts) if its == text]
        assert (together[row] == copied[0]) if text and len(copied) > 1 else (together[row] == ALONE)
    assert all(alike[one] == alike[other] != ALONE for one, other in similar.tolist())


@pytest.mark.parametrize("colour", ["white", "black", "teal"])
def test_blank_pictures_are_all_alike(colour: str) -> None:
    blank = io.BytesIO()
    Image.new("RGB", (60, 40), colour).save(blank, format="JPEG")
    assert not perceptual_hash(blank.getvalue()).any()
