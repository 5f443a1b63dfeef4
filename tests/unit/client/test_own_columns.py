"""Own columns in the tables that the command writes."""

import csv
import io
from pathlib import Path

from catalog_client import Item, Result, Table
from catalog_client._items import Encoder
from catalog_client._parsing import parse
from catalog_client._tables import item_columns, read_items
from catalog_client.command.files import write_csv, write_joined


def _result(number: int, **more: object) -> Result:
    return parse(Result, {"id": str(number), "index": number, "status": "succeeded", **more})


def _rows(file: io.BytesIO) -> list[list[str]]:
    return list(csv.reader(io.StringIO(file.getvalue().decode(), newline="")))


def test_an_item_is_sent_with_its_metadata() -> None:
    line = Encoder(None).line(Item(title="Lampe", metadata={"Réf": "00042", "neuf": None}))
    assert line == '{"title": "Lampe", "metadata": {"Réf": "00042", "neuf": null}}\n'.encode()


def test_results_with_metadata_have_it_behind_our_columns() -> None:
    file = io.BytesIO()
    write_csv(file, [_result(0, metadata={"Status": "=1", "n": 1.5}), _result(1), _result(2, metadata={"new": True})])
    heading, *rows = _rows(file)
    assert (heading[1], heading[-3:]) == ("result_status", ["Status", "n", "new"])
    assert [row[-3:] for row in rows] == [["'=1", "1.5", ""], ["", "", ""], ["", "", "true"]]


def test_a_local_tables_own_columns_are_neither_sent_nor_written_twice(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("id,title,Prix\n0,Lampe,007\n")
    with Table(path) as table:
        assert list(read_items(table)) == [{"id": "0", "title": "Lampe"}]
        assert list(table.read(item_columns({})))
        file = io.BytesIO()
        write_joined(file, [_result(0, title="Lampe")], table)
    heading, row = _rows(file)
    assert heading[:3] == ["id", "title", "Prix"]
    assert len(set(heading)) == len(heading)
    assert row[:3] == ["0", "Lampe", "007"]
