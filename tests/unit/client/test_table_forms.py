"""Tables as spreadsheets and other programs write them, through the client's reader."""

import csv
import gzip
import io
import os
import pickle
import resource
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_client import InputError, Table, TableError, count_items, read_items, read_labels
from catalog_client._pictures import path_in
from catalog_client.tables import TableReader

ITEMS = [{"id": "1", "title": "Été, bois"}, {"id": "2", "title": "Noël; 5 €"}]
ROWS = 'id{0}title\r\n1{0}"Été, bois"\r\n2{0}"Noël; 5 €"\r\n'


def _items(path: Path | str, mapping: dict[str, str] | None = None) -> list[dict[str, object]]:
    return [*read_items(path, mapping=mapping)]


@pytest.mark.parametrize(
    ("name", "content", "notice"),
    [
        ("utf-8.csv", ROWS.format(",").encode(), None),
        ("mark.csv", ROWS.format(",").encode("utf-8-sig"), None),
        ("french.csv", ROWS.format(";").encode("cp1252"), "read as Windows-1252; cells are separated by semicolons"),
        ("unicode.txt", ROWS.format("\t").encode("utf-16"), "read as UTF-16LE; cells are separated by tabs"),
        ("no mark.csv", ROWS.format(",").encode("utf-16-be"), "read as UTF-16BE"),
        ("long.csv", ROWS.format(",").encode("utf-32"), "read as UTF-32LE"),
        ("tabs.tsv", ROWS.format("\t").encode(), "cells are separated by tabs"),
        ("bars.csv", ROWS.format("|").encode(), "cells are separated by vertical bars"),
        ("hint.csv", f"sep=;\r\n{ROWS.format(';')}".encode(), "cells are separated by semicolons"),
        ("mac.csv", ROWS.format(",").replace("\r\n", "\r").encode(), None),
        ("wide.csv", f"{ROWS.format(',').replace(chr(13), ',,' + chr(13))},,,\r\n,\r\n".encode(), None),
        ("capitals.CSV", ROWS.format(",").replace("id,title", " ID , Title ").encode(), None),
        ("packed.csv.gz", gzip.compress(ROWS.format(",").encode(), mtime=0), None),
        ("misnamed.csv", gzip.compress(ROWS.format(",").encode(), mtime=0), None),
        ("no suffix", ROWS.format(",").encode(), None),
        ("lines.jsonl", '{"id": "1", "title": "Été, bois"}\n\n{"id": "2", "title": "Noël; 5 €"}'.encode(), None),
        (
            "lines",
            '\ufeff{"id": "1", "title": "Été, bois"}\r\n{"id": "2", "title": "Noël; 5 €"}'.encode("utf-16-le"),
            None,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_table_is_read_however_it_was_saved(tmp_path: Path, name: str, content: bytes, notice: str | None) -> None:
    (tmp_path / name).write_bytes(content)
    with Table(tmp_path / name) as table:
        assert count_items(table) == 2
        assert [*read_items(table)] == ITEMS
        assert table.form is not None
        assert notice is None or table.form.notice == notice


def test_a_workbook_is_read_as_people_see_it(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in ([], ["ID", "Libellé", "Prix"], [3.0, "Été", 9.5], ["x", "Noël", None], [None, " "]):
        sheet.append(row)
    sheet.cell(row=5000, column=40).value = ""
    book.save(tmp_path / "products.xlsx")
    with Table(tmp_path / "products.xlsx", mapping={"title": "libellé"}) as table:
        assert [*read_items(table)] == [
            {"id": "3", "title": "Été", "metadata": {"Prix": "9.5"}},
            {"id": "x", "title": "Noël", "metadata": {"Prix": ""}},
        ]
        assert table.form is not None
        assert (table.form.own, table.form.further) == (("Prix",), ())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b'id,title\n1,"open\n2,b\n', "a quote in the record that begins in line 2 is not closed"),
        ("t.csv", b'id,title\n1,"12" vinyl\n', "line 2 of the table: text after a closing quote at its character 7"),
        ("t.csv", b"id,title\n1,a\n2,b,c\n", "line 3 of the table has 3 cells, but the heading has 2"),
        ("t.csv", b"id,title\n1,\xc3\xa9\n2,\xe9\n", "line 3 of the table is not UTF-8 at its byte 3"),
        ("t.csv", b"id,title\n1,\xe9\n2,\x81\n", "line 3 of the table is neither UTF-8 nor Windows-1252 at its byte 3"),
        ("t.csv", b"id,Title,title\n", "the column title occurs twice"),
        ("t.csv", b"", "the table is empty"),
        ("t.csv", b"id,title\n1,a\rb\n", "a carriage return that ends no line at its character 4"),
        ("t.csv.gz", gzip.compress(b"id,title\n1,a\n", mtime=0)[:-9], "ended before"),
        ("t.xlsx", b"id,title\n", "not a zip archive"),
        ("t.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as .xlsx or as CSV"),
        ("t.ndjson", b'{"title": "a", "title": "b"}\n', "line 1: not JSON: the member 'title' occurs twice"),
        ("t.ndjson", b"[" * 100_000, "line 1: not JSON"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError) as caught:
        _items(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}")
    assert message in str(caught.value)


def test_an_error_holds_its_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'id,title\n1,"12" vinyl\n')
    with pytest.raises(TableError) as caught:
        _items(tmp_path / "t.csv")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.line, again.column, str(again)) == (2, 7, str(caught.value))


def test_columns_are_mapped_and_further_ones_sent_or_kept_back(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("SKU,Libellé,title,prix\n1,Lampe,short,9\n")
    mapping = {"id": "sku", "title": "LIBELLÉ"}
    with Table(tmp_path / "t.csv", mapping=mapping) as table:
        assert [*read_items(table)] == [{"id": "1", "title": "Lampe", "metadata": {"title": "short", "prix": "9"}}]
        assert table.form is not None
        assert table.form.notice == "your own columns, which come back with the results: title, prix"
    with Table(tmp_path / "t.csv", mapping=mapping, own_columns=False) as table:
        assert [*read_items(table)] == [{"id": "1", "title": "Lampe"}]
        assert table.form is not None
        assert (table.form.further, table.form.notice) == (
            ("title", "prix"),
            "columns that are not sent: title, prix",
        )
    with pytest.raises(TableError, match="the column 'Nom' is missing: the table has SKU, Libellé"):
        _items(tmp_path / "t.csv", mapping={"title": "Nom"})
    with pytest.raises(TableError, match="'name' is not one of"):
        _items(tmp_path / "t.csv", mapping={"name": "SKU"})
    with pytest.raises(InputError, match="format"):
        Table(tmp_path / "t.csv", format="ods")


def test_a_pipe_is_read_once_and_its_rows_often(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writing = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=[ROWS.format(";").encode()])
    writing.start()
    with Table(tmp_path / "pipe") as table:
        assert [count_items(table), [*read_items(table)], [*read_items(table)]] == [2, ITEMS, ITEMS]
    writing.join()


def test_codes_of_labels_may_be_written_as_decimals(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("title,code\nA,2583.0\nB,10\n")
    assert [label["code"] for label in read_labels(tmp_path / "t.csv")] == ["2583", "10"]
    (tmp_path / "t.csv").write_text("title,code\nA, SHOE-BOOT \nB,2583.5\nC,²\n")
    assert [label["code"] for label in read_labels(tmp_path / "t.csv")] == ["SHOE-BOOT", "2583.5", "²"]
    (tmp_path / "t.csv").write_text("title,code\nA,10\nB, \n")
    with pytest.raises(TableError, match="line 3: there is no code"):
        list(read_labels(tmp_path / "t.csv"))


@pytest.mark.parametrize(
    "name", ["C:\\shop\\pics\\a.jpg", "/home/me/a.jpg", "sub\\a.jpg", "file:///C:/x/a.jpg", "é/a.jpg"]
)
def test_a_picture_s_path_loses_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert path_in(tmp_path, name) == tmp_path / "a.jpg"


@pytest.mark.parametrize("name", ["../a.jpg", "..\\a.jpg", "/a.jpg", "sub/../../a.jpg", "C:\\..\\a.jpg"])
def test_a_picture_s_path_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "pictures").mkdir()
    with pytest.raises(InputError, match="lies outside"):
        path_in(tmp_path / "pictures", name)


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"])
def test_a_workbook_that_fills_the_memory_is_refused(tmp_path: Path, part: str) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open(part, "w") as file:
            for _ in range(64):
                file.write(b"<c/>" * 2**18)
    with pytest.raises(TableError, match="the workbook unpacks to over"):
        _items(tmp_path / "bomb.xlsx")


def test_an_archive_without_a_workbook_and_a_workbook_without_openpyxl_are_explained(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        archive.writestr("t.csv", "id,title\n")
    with pytest.raises(TableError, match="a zip archive without a workbook"):
        _items(tmp_path / "t.xlsx")
    code = "import sys; sys.modules['openpyxl'] = None\nfrom catalog_client import *\nlist(read_items(sys.argv[1]))"
    ran = subprocess.run([sys.executable, "-c", code, tmp_path / "t.xlsx"], capture_output=True, text=True, check=False)
    assert "pip install 'rakuten-catalog-client[xlsx]'" in ran.stderr


def test_a_packed_table_is_unpacked_as_it_is_read(tmp_path: Path) -> None:
    """100 MB of rows."""
    with gzip.open(tmp_path / "t.csv.gz", "wb", compresslevel=1) as file:
        file.write(b"id,title\n")
        for _ in range(100):
            file.write(b"," + b"x" * 999_998 + b"\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(1 for _ in read_items(tmp_path / "t.csv.gz")) == 100
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | st.text('",;\r\n\t |a', max_size=8)


@given(st.lists(st.lists(cells, min_size=2, max_size=2), max_size=5), st.integers(1, 40), st.sampled_from(",;\t|"))
def test_rows_are_the_same_however_the_bytes_arrive(rows: list[list[str]], size: int, separator: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerows([["id", "title"], *rows])
    data, reader, found = text.getvalue().encode(), TableReader(lambda names, line: None), list[list[str]]()
    for start in range(0, len(data), size):
        found += [cells for _, cells in reader.feed(data[start : start + size])]
    found += [cells for _, cells in reader.feed(b"", final=True)]
    assert found == [row for row in rows if any(map(str.strip, row))]
