"""The import: a generated catalogue, damaged on disk in every way the stage promises to notice."""

import io
import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from shared.pipeline.params import SampleParams
from shared.taxonomy import RAKUTEN, TAXONOMY_FILE, Taxonomy, from_json, to_json
from tests.unit.training.catalogue_files import (
    DESCRIPTION,
    DESIGNATION,
    IMAGEID,
    PICTURES,
    PRODUCTID,
    Table,
    X,
    Y,
    contents,
    edit,
    illustrated,
    picture_files,
    products,
    read,
    rows_of,
)
from training.catalogue.errors import CatalogueError
from training.catalogue.pictures import iter_pictures
from training.catalogue.product import FindingReason
from training.catalogue.sources import open_source
from training.catalogue.unlabelled import import_unlabelled
from training.import_data import PRODUCTS_SCHEMA, import_catalogue, import_sample


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "imported"


# What arrives


def test_every_cell_and_every_picture_arrives(catalogue: Path, output: Path) -> None:
    report = import_catalogue(open_source(str(catalogue)), output)
    stored = dict(iter_pictures(output / "pictures.parquet"))
    assert pq.read_schema(output / "products.parquet").equals(PRODUCTS_SCHEMA)
    assert all(sha256(data).hexdigest() == name for name, data in stored.items())
    imported, files = products(output), picture_files(catalogue)
    labels = dict(read(catalogue / Y)[1:])
    assert list(imported) == list(range(108))
    for row, designation, description, productid, _ in read(catalogue / X)[1:]:
        product, file = imported[int(row)], files[int(row)]
        digest = product.pop("picture")
        assert (stored[str(digest)] if digest else None) == (file.read_bytes() if file.exists() else None)
        assert product == {
            "row": int(row),
            "id": productid,
            "title": designation,
            "description": description or None,
            "category": labels[row],
        }
    there = illustrated(catalogue)
    assert 0 < len(there) < 108
    assert rows_of(report, FindingReason.PICTURE_MISSING) == [row for row in range(108) if row not in there]
    assert (report.rows_read, report.rows_kept, report.rows_with_picture) == (108, 108, len(there))
    assert report.distinct_pictures == len(stored) == len(there)


def test_report_files_say_what_the_report_says(catalogue: Path, output: Path) -> None:
    edit(catalogue / Y, lambda table: table[51].__setitem__(1, "9999"))
    report = import_catalogue(open_source(str(catalogue)), output)
    written = json.loads((output / "report.json").read_text())
    assert written["rows_read"] == 108
    assert written["rows_kept"] == 107
    assert written["rows_dropped"] == 1
    assert written["rows_with_picture"] == report.rows_with_picture
    assert written["findings"] == report.counts
    assert set(written["findings"]) == set(FindingReason)
    header, *lines = read(output / "report.csv")
    assert header == ["row", "id", "reason", "detail"]
    assert [int(line[0]) for line in lines] == sorted(int(line[0]) for line in lines)
    assert lines == [[str(cell) for cell in finding] for finding in report.findings]
    assert [line for line in lines if line[2] == "unknown_code"] == [
        [
            "50",
            read(catalogue / X)[51][PRODUCTID],
            "unknown_code",
            "'9999' is neither the code nor the name of a category",
        ]
    ]


def test_the_same_input_gives_the_same_bytes(catalogue: Path, output: Path, tmp_path: Path) -> None:
    import_catalogue(open_source(str(catalogue)), output)
    first = contents(output)
    import_catalogue(open_source(str(catalogue)), output)
    import_catalogue(open_source(str(catalogue)), tmp_path / "elsewhere")
    reports = {"report.json", "report.csv", "labels.csv"}
    assert set(first) == {"products.parquet", "partly_labelled.parquet", "taxonomy.json", "pictures.parquet", *reports}
    assert contents(output) == contents(tmp_path / "elsewhere") == first


def test_the_texts_nan_and_na_are_texts(catalogue: Path, output: Path) -> None:
    edit(catalogue / X, lambda table: table[1].__setitem__(slice(1, 3), ["NA", "nan"]))
    import_catalogue(open_source(str(catalogue)), output)
    assert (products(output)[0]["title"], products(output)[0]["description"]) == ("NA", "nan")


def test_a_picture_that_two_products_share_is_stored_once(catalogue: Path, output: Path) -> None:
    one, other = illustrated(catalogue)[:2]
    shutil.copy(picture_files(catalogue)[one], picture_files(catalogue)[other])
    report = import_catalogue(open_source(str(catalogue)), output)
    assert products(output)[one]["picture"] == products(output)[other]["picture"]
    names = [name for name, _ in iter_pictures(output / "pictures.parquet")]
    assert len(names) == len(set(names)) == report.distinct_pictures == report.rows_with_picture - 1


@pytest.mark.parametrize("encoding", ["PNG", "WEBP"])
def test_a_picture_may_be_another_format_than_its_name_says(catalogue: Path, output: Path, encoding: str) -> None:
    row = illustrated(catalogue)[0]
    Image.new("RGB", (30, 20), "teal").save(picture_files(catalogue)[row], format=encoding)
    report = import_catalogue(open_source(str(catalogue)), output)
    assert rows_of(report, FindingReason.PICTURE_UNREADABLE) == []
    assert products(output)[row]["picture"] == sha256(picture_files(catalogue)[row].read_bytes()).hexdigest()


# Where it comes from


@pytest.mark.usefixtures("_allowed_loopback")
@pytest.mark.parametrize("kind", ["memory", "zip", "http", "relative"])
def test_any_source_gives_what_the_folder_gives(
    catalogue: Path, elsewhere: dict[str, str], output: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    import_catalogue(open_source(str(catalogue)), output)
    expected = contents(output)
    monkeypatch.chdir(catalogue.parent)
    import_catalogue(open_source(elsewhere[kind]), output)
    assert contents(output) == expected


def test_a_web_server_in_a_private_network_is_read_only_if_the_operator_allows_it(
    elsewhere: dict[str, str], output: Path
) -> None:
    with pytest.raises(CatalogueError, match=f"{X} in .* cannot be read: .* does not lead to a public address"):
        import_catalogue(open_source(elsewhere["http"]), output)


@pytest.mark.usefixtures("_allowed_loopback")
def test_texts_without_a_label_are_read_from_any_place(
    catalogue: Path, elsewhere: dict[str, str], tmp_path: Path
) -> None:
    zipped = elsewhere["zip"].replace("zip://", f"zip://{X}")
    for place in (str(catalogue / X), zipped, f"{elsewhere['memory']}/{X}", f"{elsewhere['http']}{X}"):
        assert import_unlabelled([place], tmp_path / "texts.parquet") == 108


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("bom.csv", "\ufeffdesignation,description\nLampe,rouge\n".encode(), [("Lampe", "rouge")]),
        ("bom.jsonl", '\ufeff{"text": "lampe"}\n'.encode(), [("lampe", None)]),
        ("half.jsonl", b'{"text": "lampe \\ud83d"}\n{"text": "piscine"}\n', [("lampe ?", None), ("piscine", None)]),
    ],
)
def test_texts_without_a_label_are_read_as_editors_leave_them(
    name: str, content: bytes, texts: list[tuple[str, str | None]], tmp_path: Path
) -> None:
    """With a byte order mark, or with half of a character that JSON spells in two halves."""
    (tmp_path / name).write_bytes(content)
    assert import_unlabelled([str(tmp_path / name)], tmp_path / "texts.parquet") == len(texts)
    read = pq.read_table(tmp_path / "texts.parquet").to_pylist()
    assert [(text["title"], text["description"]) for text in read] == texts


def test_the_sample_is_imported_like_any_other_catalogue(pristine: Path, output: Path, tmp_path: Path) -> None:
    import_sample(SampleParams(per_type=4, seed=11), output)
    import_catalogue(open_source(str(pristine)), tmp_path / "from-folder")
    assert contents(output) == contents(tmp_path / "from-folder")


# Rows that are dropped, each on record


def test_rows_without_a_label_are_dropped(catalogue: Path, output: Path) -> None:
    def damage(table: Table) -> None:
        for line in table[1:]:
            line[1] += ".0"  # as pandas writes whole numbers where one is missing
        table[3][1] = ""
        del table[8]

    edit(catalogue / Y, damage)
    report = import_catalogue(open_source(str(catalogue)), output)
    assert rows_of(report, FindingReason.NO_LABEL) == [2, 7]
    assert list(products(output)) == [row for row in range(108) if row not in (2, 7)]


def test_rows_with_an_unknown_code_are_dropped(catalogue: Path, output: Path) -> None:
    edit(catalogue / Y, lambda table: table.__setitem__(slice(1, 3), [["0", "11"], ["1", "livre"]]))
    report = import_catalogue(open_source(str(catalogue)), output)
    assert rows_of(report, FindingReason.UNKNOWN_CODE) == [0, 1]
    assert list(products(output)) == list(range(2, 108))


def test_of_two_rows_with_one_product_the_first_that_has_a_label_is_kept(catalogue: Path, output: Path) -> None:
    def damage(table: Table) -> None:
        table[21][PRODUCTID] = table[31][PRODUCTID] = table[11][PRODUCTID]

    edit(catalogue / X, damage)
    edit(catalogue / Y, lambda table: table[11].__setitem__(1, ""))
    report = import_catalogue(open_source(str(catalogue)), output)
    assert rows_of(report, FindingReason.NO_LABEL) == [10]
    assert rows_of(report, FindingReason.DUPLICATE_PRODUCT) == [30]
    assert 20 in products(output)
    assert report.rows_kept == 106


def test_rows_without_text_are_dropped_only_if_they_have_no_picture_either(catalogue: Path, output: Path) -> None:
    kept, missing, unreadable = illustrated(catalogue)[:3]
    picture_files(catalogue)[missing].unlink()
    picture_files(catalogue)[unreadable].write_bytes(b"")

    def damage(table: Table) -> None:
        for row in (kept, missing, unreadable):
            table[row + 1][DESIGNATION], table[row + 1][DESCRIPTION] = "", "  \n"

    edit(catalogue / X, damage)
    report = import_catalogue(open_source(str(catalogue)), output)
    assert rows_of(report, FindingReason.EMPTY) == [missing, unreadable]
    assert set(range(108)) - set(products(output)) == {missing, unreadable}
    assert products(output)[kept]["title"] is None
    assert products(output)[kept]["description"] is None


# Pictures that cannot be had


def test_a_missing_picture_costs_the_picture_and_not_the_row(catalogue: Path, output: Path) -> None:
    row = illustrated(catalogue)[0]
    file = picture_files(catalogue)[row]
    file.unlink()
    report = import_catalogue(open_source(str(catalogue)), output)
    sought = {finding.row: finding.detail for finding in report.findings if finding.reason == "picture_missing"}
    assert sought[row] == str(file.relative_to(catalogue))
    assert products(output)[row]["picture"] is None


def _bitmap(data: bytes) -> bytes:
    bitmap = io.BytesIO()
    Image.open(io.BytesIO(data)).save(bitmap, format="BMP")
    return bitmap.getvalue()


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda _: b"<html>404</html>", _bitmap])
def test_an_unreadable_picture_costs_the_picture_and_not_the_row(
    catalogue: Path, output: Path, damage: Callable[[bytes], bytes]
) -> None:
    row = illustrated(catalogue)[0]
    file = picture_files(catalogue)[row]
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    report = import_catalogue(open_source(str(catalogue)), output)
    assert rows_of(report, FindingReason.PICTURE_UNREADABLE) == [row]
    assert products(output)[row]["picture"] is None
    assert damaged not in dict(iter_pictures(output / "pictures.parquet")).values()


def test_a_picture_that_is_there_but_cannot_be_fetched_stops_the_import(catalogue: Path, output: Path) -> None:
    file = picture_files(catalogue)[illustrated(catalogue)[0]]
    file.unlink()
    file.mkdir()
    with pytest.raises(CatalogueError, match=rf"{file.name} in .* cannot be read: .* run again"):
        import_catalogue(open_source(str(catalogue)), output)


# Catalogues that cannot be imported


def test_labels_of_rows_that_are_not_there_are_refused(catalogue: Path, output: Path) -> None:
    edit(catalogue / Y, lambda table: table.extend([["501", "10"], ["500", "10"]]))
    with pytest.raises(CatalogueError, match=f"{Y} labels 2 rows that {X} does not have, first row 500. Take both"):
        import_catalogue(open_source(str(catalogue)), output)


def test_a_catalogue_of_which_nothing_can_be_kept_is_refused(catalogue: Path, output: Path) -> None:
    edit(catalogue / Y, lambda table: table.__delitem__(slice(1, None)))
    with pytest.raises(CatalogueError, match=r"no row that can be kept. Findings: no_label 108\."):
        import_catalogue(open_source(str(catalogue)), output)
    assert not (output / "products.parquet").exists()


@pytest.mark.parametrize(("column", "value"), [(PRODUCTID, "1.5"), (PRODUCTID, ""), (IMAGEID, "9" * 20)])
def test_an_id_that_is_no_number_is_named_with_its_row(catalogue: Path, output: Path, column: int, value: str) -> None:
    edit(catalogue / X, lambda table: table[4].__setitem__(column, value))
    name = {PRODUCTID: "productid", IMAGEID: "imageid"}[column]
    with pytest.raises(CatalogueError, match=f"{X}, row 3, {name}: this is not a whole number"):
        import_catalogue(open_source(str(catalogue)), output)


def test_a_catalogue_without_its_picture_folder_is_refused(catalogue: Path, output: Path) -> None:
    shutil.rmtree(catalogue / "images")
    with pytest.raises(
        CatalogueError, match=f"Of 108 pictures not one was found, .* beside {catalogue} .* {PICTURES}/"
    ):
        import_catalogue(open_source(str(catalogue)), output)


def test_a_taxonomy_that_was_put_stands_above_the_sources(catalogue: Path, output: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    merged = [replace(known, moved_to="2705") if known.code == "10" else known for known in RAKUTEN.categories]
    (labels / TAXONOMY_FILE).write_text(to_json(Taxonomy(tuple(merged))), encoding="utf-8")
    before = import_catalogue(open_source(str(catalogue)), tmp_path / "before")
    report = import_catalogue(open_source(str(catalogue)), output, labels)
    assert report.rows_kept == before.rows_kept
    counts = Counter(product["category"] for product in products(output).values())
    assert "10" not in counts
    assert counts["2705"] == 2 * counts["40"], "labels follow the merge"
    assert from_json((output / TAXONOMY_FILE).read_bytes()) == Taxonomy(tuple(merged))
    (labels / TAXONOMY_FILE).write_text("{}", encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"taxonomy\.json is no taxonomy"):
        import_catalogue(open_source(str(catalogue)), output, labels)
