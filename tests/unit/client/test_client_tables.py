import base64
import csv
from pathlib import Path

import pytest

from catalog_client import Result, TableError, count_items, read_items
from catalog_client._tables import read_labels
from catalog_client.command.files import write_csv
from tests.pictures import jpeg


def test_the_challenges_table_is_read_with_its_pictures(tmp_path: Path) -> None:
    table = tmp_path / "X_test_update.csv"
    table.write_text(
        ',designation,description,productid,imageid\n7,"Épée, bois",,11,22\n8,Livre,"Un <b>roman</b>\nlong",12,23\n'
    )
    (tmp_path / "image_22_product_11.jpg").write_bytes(jpeg())
    first, second = read_items(table, tmp_path)
    assert first == {"id": "7", "title": "Épée, bois", "image": {"base64": base64.b64encode(jpeg()).decode()}}
    assert second == {"id": "8", "title": "Livre", "description": "Un <b>roman</b>\nlong"}
    assert count_items(table) == 2


def test_a_plain_table_names_files_or_urls(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    table = tmp_path / "items.csv"
    table.write_text("id,title,image\na,A,a.jpg\nb,B,https://example.com/b.jpg\n")
    first, second = read_items(table, tmp_path)
    assert first["image"] == {"base64": "eA=="}
    assert second["image"] == {"url": "https://example.com/b.jpg"}


def test_ndjson_is_passed_on_with_its_files_inline(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    table = tmp_path / "items.ndjson"
    table.write_text('{"id": "a", "image": {"file": "a.jpg"}}\n\n{"id": "b", "title": "B"}\n')
    assert list(read_items(table, tmp_path)) == [{"id": "a", "image": {"base64": "eA=="}}, {"id": "b", "title": "B"}]
    assert count_items(table) == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "foo,bar\n1,2\n", r"columns \['bar', 'foo'\]"),
        ("t.ndjson", '{"id": 1}\n{oops\n', "line 2: not JSON"),
        ("t.ndjson", "[1]\n", "line 1: an item is a JSON object"),
        ("t.csv", "id,title,image\na,A,missing.jpg\n", r"line 2: picture .*missing\.jpg"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(TableError, match=message):
        list(read_items(tmp_path / name, tmp_path))


@pytest.mark.parametrize("item_id", ["=cmd|'/c calc'!A1", "+33 1 23", "-5", "@A1", "'quoted", "a-b"])
def test_an_id_comes_back_from_a_table_that_was_made_for_spreadsheets(tmp_path: Path, item_id: str) -> None:
    output = tmp_path / "results.csv"
    with output.open("wb") as file:
        write_csv(file, [Result(id=item_id, index=0, status="failed")])
    shown = next(csv.DictReader(output.read_text().splitlines()))["id"]
    assert not shown.startswith(("=", "+", "-", "@"))
    with output.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "code"), (shown, 10)])
    assert [label["item_id"] for label in read_labels(output, job_id="job")] == [item_id]
