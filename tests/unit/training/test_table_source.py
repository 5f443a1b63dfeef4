"""A table of products in any form, with its categories and pictures beside it, becomes a catalogue."""

import gzip
import json
import logging
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared.pipeline.params import ColumnParams
from shared.pipeline.stages import FETCHED
from shared.taxonomy import from_json
from tests.unit.training import shop
from tests.unit.training.catalogue_files import products, rows_of, serve
from training.catalogue.errors import CatalogueError
from training.catalogue.labelling import Labelling
from training.catalogue.pictures import iter_pictures
from training.catalogue.product import Finding, FindingReason
from training.catalogue.quality import write_quality
from training.catalogue.sources import open_source
from training.import_data import import_catalogue

ROWS = shop.rows()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures by URL are kept in a folder below the one in which the stages run."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the categories and the pictures, and no table yet."""
    shop.write(tmp_path / "shop" / "taxonomy.csv", shop.CATEGORIES[0], shop.CATEGORIES[1:])
    shop.unpacked(tmp_path / "shop", shop.pictures(ROWS))
    return tmp_path / "shop"


def cells(source: str, **named: str) -> list[list[str | None]]:
    entries = open_source(source, columns=ColumnParams(**named)).entries()
    return [[entry.id, entry.title, entry.description or "", entry.picture or "", entry.label] for entry in entries]


# Forms


@pytest.mark.parametrize(
    ("name", "form", "told"),
    [
        ("products.csv", {}, "CSV in UTF-8 with commas"),
        ("products.csv", {"separator": ";", "encoding": "cp1252"}, "CSV in Windows-1252 with semicolons"),
        ("products.tsv", {"separator": "\t", "encoding": "utf-16"}, "CSV in UTF-16LE with tabs"),
        ("products.txt", {"separator": "|", "encoding": "utf-8-sig"}, "CSV in UTF-8 with vertical bars"),
        ("products.xlsx", {}, "a workbook"),
        ("products.ndjson", {}, "NDJSON in UTF-8"),
        ("products.parquet", {}, "Parquet"),
    ],
)
def test_a_table_is_read_however_it_was_saved(
    folder: Path, caplog: pytest.LogCaptureFixture, name: str, form: dict[str, str], told: str
) -> None:
    shop.write(folder / name, shop.HEADING, ROWS, **form)
    with caplog.at_level(logging.INFO):
        assert cells(str(folder)) == cells(str(folder / name)) == [row[:5] for row in ROWS]
    assert f"{name} is {told}. Its columns: id in 'SKU' (guessed), title in 'Libellé' (guessed)" in caplog.text
    assert "not used: 'Prix'" in caplog.text


def test_a_packed_table_and_one_on_a_web_server_are_read(
    folder: Path,
    _allowed_loopback: None,  # noqa: PT019
) -> None:
    shop.write(folder / "products.csv", shop.HEADING, ROWS)
    (folder / "products.csv.gz").write_bytes(gzip.compress((folder / "products.csv").read_bytes(), mtime=0))
    (folder / "products.csv").unlink()
    assert cells(str(folder)) == [row[:5] for row in ROWS]
    with serve(folder.parent) as site:
        source = open_source(f"{site}/shop/products.csv.gz?signature=secret")
        entries = source.entries()
        assert len(entries) == len(ROWS)
        assert "secret" not in source.shown
        assert len(source.taxonomy(entries).leaves) == 12
        first = next(row for row in ROWS if row[3])
        assert source.picture(first[3]) == shop.picture(first[3])
        assert len(source.marks()["pictures"]) == 12
        with pytest.raises(FileNotFoundError, match=r"there is no nothing.png"):
            source.picture("nothing.png")


def test_a_workbooks_numbers_are_codes_and_ids(tmp_path: Path) -> None:
    shop.write(tmp_path / "t.xlsx", ["id", "title", "code"], [])
    table = [[17.0, "Livre", 2705.0], [18, 2024, 10]]
    shop.write(tmp_path / "t.xlsx", ["id", "title", "code"], table)  # type: ignore[arg-type]  # numbers
    assert [row[:2] + row[4:] for row in cells(str(tmp_path))] == [["17", "Livre", "2705"], ["18", "2024", "10"]]


def test_values_of_parquet_and_ndjson_become_texts(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": [1, 2],
            "title": pa.array(["a", None], pa.string()).dictionary_encode(),
            "image": [["https://a.example/1", "https://a.example/2"], None],
            "category": [10.0, float("nan")],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    assert cells(str(tmp_path / "t.parquet")) == [
        ["1", "a", "", "https://a.example/1 https://a.example/2", "10"],
        ["2", None, "", "", ""],
    ]
    objects = [
        {"id": 1, "category": ["Femme", "Sacs"], "image": {"file": "a.jpg"}},
        {"title": "half \ud83d", "category": "x", "image": {"url": "https://a.example/1"}},
    ]
    (tmp_path / "t.jsonl").write_text("\n\n".join(map(json.dumps, objects)))
    assert cells(str(tmp_path / "t.jsonl")) == [
        ["1", None, "", "a.jpg", "Femme > Sacs"],
        ["row-3", "half ?", "", "https://a.example/1", "x"],
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"title,category\nx,y,geheim\n", r"The table t.csv: line 2 of the table has 3 cells"),
        ("t.csv", b"title,price\nx,geheim\n", "The table t.csv: no column is known to hold the category: .*'price'"),
        ("t.csv", b'title,category\nx,"geheim\n', "a quote in the record that begins in line 2 is not closed"),
        ("t.csv", b"", "The table t.csv: the table is empty"),
        ("t.xlsx", b"PK\x03\x04geheim", "The table t.xlsx: it cannot be read: BadZipFile"),
        ("t.xlsx", b"geheim", "The table t.xlsx: no workbook"),
        ("t.parquet", b"PAR1 geheim", "The table t.parquet: it is not a Parquet file"),
        ("t.ndjson", b'{"title": "geheim", "category": {"geheim": 1}}', "line 1: the category is a dict"),
        ("t.ndjson", b'{"title": "x", "category": "y"}\n{geheim', "line 2: it cannot be read: JSONDecodeError"),
        ("t.csv.gz", gzip.compress(b"title,category\nx,y\n", mtime=0)[:-9], "The table t.csv.gz: .* ended before"),
    ],
)
def test_a_malformed_table_is_told_by_its_line_and_no_cell_is_shown(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    source = open_source(str(tmp_path))
    with pytest.raises(CatalogueError, match=message) as error:
        source.entries()
    assert "geheim" not in str(error.value)
    assert source.marks()["products"] == {}


def test_the_table_must_be_one_and_there(folder: Path) -> None:
    with pytest.raises(CatalogueError, match=r"X_train_update.csv is missing in .*, or one table of products"):
        open_source(str(folder)).entries()
    with pytest.raises(CatalogueError, match=r"There is no table .*none.csv"):
        open_source(str(folder / "none.csv")).entries()
    for name in ("a.csv", "b.xlsx", "~$b.xlsx", ".hidden.csv"):
        shop.write(folder / name, shop.HEADING, ROWS)
    with pytest.raises(
        CatalogueError, match=r"holds 2 tables, such as a.csv and b.xlsx: name one as import_data.source"
    ):
        open_source(str(folder))


# Categories and labels


@pytest.mark.parametrize("form", ["code", "name", "path"])
def test_labels_are_codes_names_or_paths_of_the_file(folder: Path, tmp_path: Path, form: str) -> None:
    shop.write(folder / "products.csv", shop.HEADING, shop.rows(form=form))
    report = import_catalogue(open_source(str(folder)), tmp_path / "out")
    assert report.rows_kept == 24
    assert [product["category"] for product in products(tmp_path / "out").values()] == [
        leaf for leaf in shop.LEAVES for _ in range(2)
    ]


def test_without_a_file_the_labels_make_the_categories(folder: Path, tmp_path: Path) -> None:
    (folder / "taxonomy.csv").unlink()
    shop.write(folder / "products.csv", shop.HEADING, shop.rows(form="path"))
    import_catalogue(open_source(str(folder)), tmp_path / "out")
    taxonomy = from_json((tmp_path / "out" / "taxonomy.json").read_bytes())
    assert [leaf.code for leaf in taxonomy.leaves] == sorted(map(shop.path_of, shop.LEAVES))
    assert {product["category"] for product in products(tmp_path / "out").values()} == {
        leaf.code for leaf in taxonomy.leaves
    }


def test_labels_that_mean_no_leaf_are_told_each_in_its_way(folder: Path) -> None:
    text = (folder / "taxonomy.csv").read_text().splitlines()
    text[0] += ",moved_to,retired"
    text[-1] += ",H-KIT-A,"
    text[-2] += ",,yes"
    (folder / "taxonomy.csv").write_text("\n".join(text))
    labels = ["", "Botes", "W-SHOE", "Chaussures femme", "Plats", "Bols", "bottes ", "w-shoe-a"]
    shop.write(folder / "t.csv", ["title", "category"], [["x", name] for name in labels])
    source = open_source(str(folder))
    entries = source.entries()
    found = list(Labelling(source.taxonomy(entries)).products(entries))
    assert [one.reason if isinstance(one, Finding) else one.category for one in found] == [
        FindingReason.NO_LABEL,
        FindingReason.UNKNOWN_CODE,
        FindingReason.INNER_CATEGORY,
        FindingReason.INNER_CATEGORY,
        "H-KIT-A",
        FindingReason.RETIRED_CATEGORY,
        "W-SHOE-A",
        "W-SHOE-A",
    ]
    details = [one.detail for one in found if isinstance(one, Finding)]
    assert "did you mean 'W-SHOE-A' (Bottes)" in details[1]
    assert "has categories below it ('W-SHOE-A', 'W-SHOE-B', 'W-SHOE-C')" in details[2]
    assert [one.row for one in found] == list(range(2, 10))


def test_a_column_that_holds_no_categories_is_told(tmp_path: Path) -> None:
    shop.write(tmp_path / "t.csv", ["title", "category"], [["a", "x" * 300], ["b", ""]])
    source = open_source(str(tmp_path))
    with pytest.raises(CatalogueError, match=r"make no list of categories: .*import_data.columns.category"):
        source.taxonomy(source.entries())


def test_rows_with_one_id_and_empty_rows_are_findings(folder: Path, tmp_path: Path) -> None:
    table = [*(row[:5] for row in ROWS), [ROWS[0][0], "Again", "", "", "Bottes"], ["e", "", " ", "", "Bottes"]]
    shop.write(folder / "products.csv", shop.HEADING[:5], table)
    report = import_catalogue(open_source(str(folder)), tmp_path / "out")
    assert rows_of(report, FindingReason.DUPLICATE_PRODUCT) == [26]
    assert rows_of(report, FindingReason.EMPTY) == [27]
    assert report.rows_kept == len(ROWS)


# Pictures


@pytest.mark.parametrize("kind", ["folder", "zip", "deep zip", "both", "named folder", "named zip"])
def test_pictures_are_found_wherever_they_lie(tmp_path: Path, kind: str) -> None:
    home, files = tmp_path / "shop", shop.pictures(ROWS)
    shop.write(home / "products.xlsx", shop.HEADING, ROWS)
    named = None
    if kind in ("folder", "both"):
        shop.unpacked(home / "pictures", files)
    if kind in ("zip", "both"):
        shop.zipped(home / "pictures.zip", files)
    if kind == "deep zip":
        shop.zipped(
            home / "all.zip", {f"shop/pictures/{name}": data for name, data in files.items()} | {"__MACOSX/._x": b""}
        )
    if kind == "named folder":
        shop.unpacked(tmp_path / "elsewhere", files)
        named = str(tmp_path / "elsewhere")
    if kind == "named zip":
        shop.zipped(tmp_path / "elsewhere.zip", files)
        named = str(tmp_path / "elsewhere.zip")
    source = open_source(str(home), pictures=named)
    report = import_catalogue(source, tmp_path / "out")
    assert report.rows_with_picture == 12
    assert {data for _, data in iter_pictures(tmp_path / "out" / "pictures.parquet")} == set(files.values())
    assert len(source.marks()["pictures"]) == 12


def test_pictures_that_cannot_be_had_are_findings(folder: Path, tmp_path: Path) -> None:
    names = ["a/front.png", "front.png", "gone.png", "broken.png", "huge.png", "C:\\shop\\b\\back.png"]
    shop.zipped(
        folder / "more.zip",
        {
            "a/front.png": shop.picture("1"),
            "b/front.png": shop.picture("2"),
            "b/back.png": shop.picture("3"),
            "broken.png": b"<html>",
            "huge.png": b"\0" * (20 * 1024**2 + 1),
        },
    )
    shop.write(folder / "t.csv", ["title", "picture", "category"], [["x", name, "Bottes"] for name in names])
    report = import_catalogue(open_source(str(folder)), tmp_path / "out")
    assert rows_of(report, FindingReason.PICTURE_MISSING) == [3, 4]
    assert rows_of(report, FindingReason.PICTURE_UNREADABLE) == [5, 6]
    details = {finding.row: finding.detail for finding in report.findings}
    assert details[3] == "'front.png' may be 'more/b/front.png' or 'more/a/front.png': name the picture's folder, too"
    assert details[4] == "no file has the name 'gone.png'"
    assert "it has 20,971,521 bytes, over 20,971,520" in details[6]
    assert report.rows_with_picture == 2


def test_a_zip_that_is_none_stops_the_import(folder: Path) -> None:
    shop.write(folder / "products.csv", shop.HEADING, ROWS)
    (folder / "pictures.zip").write_bytes(b"PK no zip")
    with pytest.raises(CatalogueError, match=r"The pictures in .*products.csv cannot be read: pictures.zip is no zip"):
        open_source(str(folder)).entries()


def test_a_folder_that_leads_back_to_itself_is_read_once(folder: Path) -> None:
    shop.write(folder / "products.csv", shop.HEADING, ROWS)
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    source = open_source(str(folder))
    source.entries()
    assert len(source.marks()["pictures"]) == 12


def test_a_table_without_pictures_is_imported_and_said_to_have_none(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shop.write(folder / "t.csv", ["title", "category"], [["x", "Bottes"]])
    report = import_catalogue(open_source(str(folder)), tmp_path / "out")
    assert (report.rows_kept, report.rows_with_picture) == (1, 0)
    assert "will learn from texts alone" in caplog.text
    assert "import_data.columns.picture" in caplog.text


@pytest.mark.usefixtures("_allowed_loopback")
def test_pictures_by_url_are_fetched_once_and_kept(folder: Path, tmp_path: Path) -> None:
    with serve(folder) as site:
        table = [[*row[:3], f"{site}/{row[3]}" if row[3] else "", *row[4:]] for row in ROWS]
        table[-1][3] = f"{site}/gone.png"
        table[-3][3] = f"{site}/taxonomy.csv"
        table[-5][3] = f"{site}/gone.png, {table[0][3]}"
        shop.write(tmp_path / "urls" / "products.csv", shop.HEADING, table)
        report = import_catalogue(open_source(str(tmp_path / "urls")), tmp_path / "out")
        assert (report.rows_with_picture, report.distinct_pictures) == (13, 12)
        assert len(rows_of(report, FindingReason.PICTURE_MISSING)) == 1
        assert len(rows_of(report, FindingReason.PICTURE_UNREADABLE)) == 1
    kept = [file for file in FETCHED.rglob("*") if file.is_file()]
    assert len(kept) == 13
    source = open_source(str(tmp_path / "urls"))
    again = import_catalogue(source, tmp_path / "again")  # the server is gone
    assert again.rows_with_picture == 13
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").glob("p*.parquet")} == {
        path.name: path.read_bytes() for path in (tmp_path / "out").glob("p*.parquet")
    }
    assert set(source.marks()["pictures"].values()) == {"by URL"}


def test_urls_of_a_private_network_are_not_asked(folder: Path, tmp_path: Path) -> None:
    with serve(folder) as site:
        table = [[*row[:3], f"{site}/{row[3]}" if row[3] else "", *row[4:]] for row in ROWS]
        shop.write(tmp_path / "urls" / "products.csv", shop.HEADING, table)
        with pytest.raises(CatalogueError, match="Of 12 pictures not one was found"):
            import_catalogue(open_source(str(tmp_path / "urls")), tmp_path / "out")


# The whole


def test_an_excel_file_with_pictures_in_a_zip_becomes_a_catalogue(tmp_path: Path) -> None:
    table = shop.rows(per_leaf=5)
    shop.write(tmp_path / "shop" / "Catalogue été.xlsx", shop.HEADING, table)
    shop.write(tmp_path / "shop" / "taxonomy.xlsx", shop.CATEGORIES[0], shop.CATEGORIES[1:])
    shop.zipped(tmp_path / "shop" / "Photos.zip", shop.pictures(table))
    output = tmp_path / "imported"
    report = import_catalogue(open_source(str(tmp_path / "shop")), output)
    assert (report.rows_read, report.rows_kept, report.rows_with_picture) == (60, 60, 48)
    assert report.findings == ()
    taxonomy = from_json((output / "taxonomy.json").read_bytes())
    assert [leaf.code for leaf in taxonomy.leaves] == shop.LEAVES
    stored = dict(iter_pictures(output / "pictures.parquet"))
    imported = products(output)
    assert list(imported) == list(range(2, 62))  # rows of the sheet
    for product, (sku, title, text, photo, code, _) in zip(imported.values(), table, strict=True):
        assert (product["id"], product["title"], product["category"]) == (sku, title, code)
        assert product["description"] == (text or None)
        digest = product["picture"]
        assert (stored[str(digest)] if digest else None) == (shop.picture(photo) if photo else None)
    figures = write_quality(output)
    assert figures["classes"]["present"] == 12
    first = {path.name: path.read_bytes() for path in output.iterdir()}
    shutil.rmtree(output)
    import_catalogue(open_source(str(tmp_path / "shop")), output)
    write_quality(output)
    assert {path.name: path.read_bytes() for path in output.iterdir()} == first
