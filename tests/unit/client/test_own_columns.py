"""The caller's own columns: from tables of any form to the items that are sent, and into the tables of results."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api.ingest import LONGEST_NAME, MOST_OWN_COLUMNS
from api.items.schemas import ItemIn
from catalog_client import InputError, Item, Result, Table, TableError, count_items, read_labels
from catalog_client._items import Encoder, item_source
from catalog_client._own_columns import LONGEST_NAME as LONGEST
from catalog_client._own_columns import MOST_BYTES, MOST_COLUMNS
from catalog_client._parsing import parse
from catalog_client._tables import disarmed, read_items
from catalog_client.command.files import write_csv, write_joined

NOT_HALVES = st.characters(exclude_categories=["Cs"])
AWKWARD = st.sampled_from(
    ["", " ", "007", "=1+1", '"', "a\r\nb", "\n", "é ", "\tx", "1,5", "a;b", "'", "\u2028", "1e5"]
)
cells = AWKWARD | st.text(NOT_HALVES, max_size=12)
names = st.sampled_from(["category", "Status", "id (2)", "Prix", "Prix (2)", "prix", "metadata", "", "(2)"]) | st.text(
    NOT_HALVES, max_size=8
).map(str.strip)
further = names.filter(lambda name: name.lower() not in ("id", "title", "description", "image", "designation"))
in_every_test = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """A heading of own columns, of which several may have one name, and rows of their cells."""
    heading = draw(st.lists(further, min_size=1, max_size=5))
    row = st.lists(cells, min_size=len(heading), max_size=len(heading))
    return heading, draw(st.lists(row, min_size=1, max_size=4))


def _result(number: int, **more: object) -> Result:
    return parse(Result, {"id": str(number), "index": number, "status": "succeeded", **more})


def _rows(file: io.BytesIO) -> list[list[str]]:
    return list(csv.reader(io.StringIO(file.getvalue().decode(), newline="")))


def _csv(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    return path


def _sent(table: Table) -> list[dict[str, Any]]:
    """The items as the service takes them."""
    encoder = Encoder(None)
    bodies = [json.loads(encoder.line(item)) for item in read_items(table)]
    return [ItemIn.model_validate(body).model_dump() for body in bodies]


@in_every_test
@given(tables())
@example((["a", "a (2)", "a", "", ""], [["1", "2", "3", "4", "5"]]))
def test_own_columns_of_a_table_come_back_byte_for_byte_and_in_order(
    tmp_path: Path, drawn: tuple[list[str], list[list[str]]]
) -> None:
    heading, rows = drawn
    whole = [["id", *heading, "title"], *([str(number), *row, "Lampe"] for number, row in enumerate(rows))]
    with Table(_csv(tmp_path / "t.csv", whole)) as table:
        sent = _sent(table)
        own = list(table.columns.own)
        assert len(own) == len(heading)
        assert all(found.startswith(name) for found, name in zip(own, heading, strict=True))
        assert [item["metadata"] for item in sent] == [dict(zip(own, row, strict=True)) for row in rows]

        results = [_result(number, metadata=item["metadata"]) for number, item in enumerate(sent)]
        alone, joined = io.BytesIO(), io.BytesIO()
        write_csv(alone, results)
        write_joined(joined, results, table)
    shown = [[*map(disarmed, row)] for row in rows]
    given_back = [row[-len(heading) :] for row in _rows(alone)]
    assert given_back == [[*map(disarmed, own)], *shown]
    first, *others = _rows(joined)
    assert first[: len(heading) + 2] == ["id", *map(disarmed, heading), "title"]
    assert [row[1 : len(heading) + 1] for row in others] == shown
    ours = {name.lower() for name in first[len(heading) + 2 :]}
    assert ours.isdisjoint(name.lower() for name in heading)


def test_own_columns_of_a_workbook_are_texts_as_its_reader_reads_them(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    heading = ["title", "Réf", "category", "Prix", "Prix", None, "du", "note"]
    rows: list[list[Any]] = [
        ["Lampe", "00042", "=1", 9.5, 3.0, True, datetime(2027, 3, 1), 'two\nlines, "quoted"'],
        ["Chaise", " é ", None, -1, "1e5", None, time(8, 30)],
    ]
    for row in (heading, *rows):
        sheet.append(row)
    sheet["C2"].data_type = "s"
    book.save(tmp_path / "t.xlsx")
    with Table(tmp_path / "t.xlsx") as table:
        found = [item["metadata"] for item in _sent(table)]
    assert list(found[0]) == ["Réf", "category", "Prix", "Prix (2)", "", "du", "note"]
    assert [[*one.values()] for one in found] == [
        ["00042", "=1", "9.5", "3", "True", "2027-03-01", 'two\nlines, "quoted"'],
        [" é ", "", "-1", "1e5", "", "08:30:00", ""],
    ]


values = cells | st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9)
members = st.dictionaries(further.filter(lambda name: name != "metadata"), values, max_size=5)


@in_every_test
@given(st.lists(st.tuples(members, st.none() | members), min_size=1, max_size=4))
def test_further_members_of_ndjson_join_its_metadata_with_their_types(
    tmp_path: Path, drawn: list[tuple[dict[str, Any], dict[str, Any] | None]]
) -> None:
    path, expected = tmp_path / "t.ndjson", []
    lines = []
    for more, metadata in drawn:
        more = {name: value for name, value in more.items() if name not in (metadata or {})}
        lines.append(json.dumps({"title": "Lampe", **({} if metadata is None else {"metadata": metadata}), **more}))
        expected.append({**(metadata or {}), **more} or metadata)
    path.write_text("\n".join(lines))
    with Table(path) as table:
        assert json.dumps([item["metadata"] for item in _sent(table)]) == json.dumps(expected)


def test_the_limits_are_those_of_the_service() -> None:
    assert (MOST_COLUMNS, LONGEST) == (MOST_OWN_COLUMNS, LONGEST_NAME)
    ItemIn.model_validate({"title": "x", "metadata": {"n": "é" * ((MOST_BYTES - 8) // 2)}})
    with pytest.raises(ValueError, match="over 4,096"):
        ItemIn.model_validate({"title": "x", "metadata": {"n": "é" * (MOST_BYTES // 2 - 3)}})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "t.csv",
            "title,note,n\nLampe,,1\nChaise," + "é" * 2040 + ",2\n",
            r"t\.csv: line 3: your own columns have 4,099 bytes as JSON, over 4,096; 'note' alone has 4,082: shorten",
        ),
        ("t.csv", f"title,{'x' * 201}\nLampe,1\n", r"t\.csv: column 2, 'x+'…, has a name of 201 characters, over 200"),
        ("t.csv", f"title,{','.join(map(str, range(257)))}\nLampe\n", r"t\.csv: 257 columns of your own, over 256"),
        ("t.ndjson", '{"title": "a"}\n{"title": "b", "tags": []}\n', r"t\.ndjson: line 2: 'tags' is a list: your own"),
        ("t.ndjson", '{"title": "a", "n": 1, "metadata": {"n": 2}}\n', r"line 1: 'n' is there twice: in `metadata`"),
        ("t.ndjson", '{"title": "a", "n": "' + "x" * 4096 + '"}\n', r"line 1: your own columns have 4,104 bytes"),
    ],
)
def test_what_the_service_does_not_keep_is_named_by_line_and_column_and_can_be_left_out(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(TableError, match=message):
        list(read_items(tmp_path / name))
    if name.endswith(".csv"):
        with pytest.raises(TableError, match=message):  # the command counts before it sends anything
            count_items(tmp_path / name)
    with Table(tmp_path / name, own_columns=False) as table:
        assert {"title"} <= {name for item in read_items(table) for name in item} <= {"title", "metadata"}


def test_a_row_of_exactly_the_limit_is_sent(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"title,n\nLampe,{'é' * 2044}\n")
    with Table(tmp_path / "t.csv") as table:
        assert len(_sent(table)[0]["metadata"]["n"]) == 2044


def test_further_columns_of_labels_are_not_sent(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("title,code,Prix\nLampe,10,9\n")
    with Table(tmp_path / "t.csv") as table:
        assert list(read_labels(table)) == [{"title": "Lampe", "code": "10"}]
        assert table.form is not None
        assert (table.form.own, table.form.further) == ((), ("Prix",))


def test_own_columns_of_a_frame_keep_their_types() -> None:
    day = pd.Timestamp("2027-03-01")
    frame = pd.DataFrame(
        {"title": ["Lampe", "Chaise"], "n": [1, 2], "share": [0.5, None], "new": [True, False], "day": [day, None]}
    )
    frame["price"] = pd.Series([Decimal("9.90"), None], dtype=object)
    source = item_source(frame, None, None)
    assert callable(source)
    assert [json.loads(Encoder(None).line(item))["metadata"] for item in source()] == [
        {"n": 1, "share": 0.5, "new": True, "day": "2027-03-01T00:00:00", "price": "9.90"},
        {"n": 2, "share": None, "new": False, "day": None, "price": None},
    ]
    frame["tags"] = pd.Series([["a"], ["b"]])
    with pytest.raises(InputError, match="the frame's column 'tags', row 0: it holds a list, no text"):
        next(iter(source()))
    without = item_source(frame, None, None, own_columns=False)
    assert callable(without)
    assert [{*item} for item in without()] == [{"id", "title"}] * 2
    with pytest.raises(InputError, match="`own_columns` is for the path"):
        item_source([], None, None, own_columns=False)


def test_an_item_is_sent_with_its_metadata() -> None:
    line = Encoder(None).line(Item(title="Lampe", metadata={"Réf": "00042", "neuf": None}))
    assert line == '{"title": "Lampe", "metadata": {"Réf": "00042", "neuf": null}}\n'.encode()


def test_results_with_metadata_have_it_behind_our_columns() -> None:
    file = io.BytesIO()
    write_csv(file, [_result(0, metadata={"Status": "=1", "n": 1.5}), _result(1), _result(2, metadata={"new": True})])
    heading, *rows = _rows(file)
    assert (heading[1], heading[-4:]) == ("result_status", ["provisional", "Status", "n", "new"])
    assert [row[-3:] for row in rows] == [["'=1", "1.5", ""], ["", "", ""], ["", "", "true"]]
