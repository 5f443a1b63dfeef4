"""The caller's own columns come back as they were sent, in every form."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.problems import Problem
from api.ingest import RawItem
from api.items.own_columns import OwnColumns, own_columns_of, own_columns_of_invalid
from api.items.schemas import ItemIn
from api.items.validation import ItemError, check_members, invalid
from api.jobs.files import COLUMNS, Found, csv_table, parquet_table, raw_csv_table
from api.jobs.render import result_out
from api.lifecycle.names import NameOf
from shared.ledger import Guess, Outcome, Sent, Value
from shared.ledger.packing import pack_sent, unpack_sent
from shared.spreadsheets import disarmed
from shared.taxonomy import RAKUTEN
from tests.unit.api.bodies import CSV, SETTINGS, cut, drain, request, take

NOT_HALVES = st.characters(exclude_categories=["Cs"])
AWKWARD = st.sampled_from(["", " ", "007", "=1+1", '"', "a\r\nb", "\n", "é ", "\tx", "1,5", "a;b", "'", "\u2028", "-5"])
cells = AWKWARD | st.text(NOT_HALVES, max_size=12)
names = st.text(NOT_HALVES, min_size=1, max_size=8).map(str.strip).filter(bool)
values: st.SearchStrategy[Value] = (
    cells | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
objects = st.dictionaries(st.text(NOT_HALVES, max_size=8), values, max_size=6)


def names_of(_: str) -> NameOf:
    return RAKUTEN.name_of


def _found(sent: Sequence[Sent]) -> Found:
    """What a page of results finds after a way through Redis."""
    kept = unpack_sent(pack_sent(dict(enumerate(sent))))
    outcomes = [Outcome(index, str(index), guesses=(Guess("10", 0.9),)) for index in range(len(sent))]
    return [("v1", outcome, kept[outcome.index], None) for outcome in outcomes]


def _read(written: Iterator[bytes]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(written).decode(), newline="")))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """The heading of the own columns, and the rows' cells."""
    heading = draw(st.lists(names, min_size=1, max_size=5, unique_by=str.lower))
    heading = [name for name in heading if name.lower() not in ("id", "title", "description", "image")]
    rows = st.lists(cells, min_size=len(heading), max_size=len(heading))
    return heading, draw(st.lists(rows, max_size=5))


@given(tables(), st.lists(st.integers(1, 40), min_size=1, max_size=4), st.sampled_from(["\n", "\r\n"]))
def test_own_columns_of_a_csv_table_come_back_byte_for_byte(
    table: tuple[list[str], list[list[str]]], sizes: list[int], newline: str
) -> None:
    heading, rows = table
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerows([[*heading, "title"], *([*row, " Lampe "] for row in rows)])
    body = text.getvalue().encode()

    taken = take(request(cut(body, sizes), CSV), SETTINGS)
    assert taken.fingerprint == drain(request([body], CSV), SETTINGS)
    sent = [Sent(item.fields["title"], own_columns_of(item, None)) for item in taken.items]
    given_back = _read(raw_csv_table([_found(sent)], names_of, heading))

    assert given_back[0][len(COLUMNS) :] == heading
    assert [row[len(COLUMNS) :] for row in given_back[1:]] == rows
    assert {row[COLUMNS.index("title")] for row in given_back[1:]} <= {" Lampe "}


@given(st.lists(objects, min_size=1, max_size=4))
def test_metadata_of_json_items_comes_back_with_its_types_and_in_its_order(metadata: list[dict[str, Value]]) -> None:
    items = [ItemIn.model_validate({"title": "Lampe", "metadata": one}) for one in metadata]
    for (_, outcome, sent, _), one in zip(_found([Sent(None, item.metadata) for item in items]), metadata, strict=True):
        result = json.loads(result_out("v1", outcome, RAKUTEN.name_of, sent).model_dump_json())
        assert json.dumps(result["metadata"]) == json.dumps(one)


@given(st.lists(objects, max_size=4))
def test_tables_have_the_columns_of_all_items(metadata: list[dict[str, Value]]) -> None:
    columns = OwnColumns()
    for one in metadata:
        columns.add(one)
    heading = list(dict.fromkeys(name for one in metadata for name in one))
    assert list(columns.names) == heading

    found = [_found([Sent("Lampe", one) for one in metadata])]
    shown, raw = (_read(write(found, names_of, columns.names)) for write in (csv_table, raw_csv_table))
    assert raw[0][len(COLUMNS) :] == heading
    assert shown[0][len(COLUMNS) :] == [disarmed(name) for name in heading]
    for row, disarmed_row, one in zip(raw[1:], shown[1:], metadata, strict=True):
        for cell, other, name in zip(row[len(COLUMNS) :], disarmed_row[len(COLUMNS) :], heading, strict=True):
            value = one.get(name)
            text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
            assert (cell, other) == (text, disarmed(text) if isinstance(value, str) else text)


def test_parquet_has_own_columns_as_texts_whatever_their_names() -> None:
    own: dict[str, Value] = {"confidence": "007", "Poids": 1.5, "neuf": True, "vide": ""}
    table = pq.read_table(
        io.BytesIO(b"".join(parquet_table([_found([Sent("Lampe", own), Sent()])], names_of, list(own))))
    )
    assert table.column_names[len(COLUMNS) :] == list(own)
    assert table.column("result_confidence").to_pylist() == pytest.approx([0.9, 0.9])
    assert table.column("title").to_pylist() == ["Lampe", None]
    assert [table.column(name).to_pylist() for name in own] == [
        ["007", None],
        ["1.5", None],
        ["true", None],
        ["", None],
    ]


def test_a_failure_while_pages_are_read_is_the_one_of_the_parquet_file() -> None:
    def pages() -> Iterator[Found]:
        yield _found([Sent()])
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        b"".join(parquet_table(pages(), names_of))


def test_our_columns_make_way_for_the_callers_own() -> None:
    own = ["Status", "result_status", "title"]
    heading = _read(raw_csv_table([], names_of, own))[0]
    assert heading[2] == "result_result_status"
    assert (heading[COLUMNS.index("title")], heading[len(COLUMNS) :]) == ("result_title", own)
    assert len({name.lower() for name in heading}) == len(heading)


@pytest.mark.parametrize(
    ("metadata", "code", "said"),
    [
        ({"a": [1]}, "metadata_type", "metadata has a list in 'a'"),
        ({"a": {}}, "metadata_type", "metadata has an object in 'a'"),
        (["a"], "metadata_type", "metadata is an object"),
        ({"a": "é" * 2045}, "metadata_too_long", "metadata has 4,098 bytes, over 4,096"),
        ({"x" * 201: 1}, "name_too_long", "has 201 characters, over 200"),
        ({str(name): 1 for name in range(257)}, "too_many_columns", "there are 257 own columns, over 256"),
        ({"a": "\ud800"}, "string_unicode", "half a character"),
        ({"\ud800": 1}, "string_unicode", "half a character"),
    ],
)
def test_metadata_that_is_not_kept_is_one_error_of_its_item(metadata: Any, code: str, said: str) -> None:
    raw = RawItem(0, {"title": "Lampe", "metadata": metadata}, "/items/0")
    check_members(raw.fields)
    with pytest.raises(ValueError, match=r"validation error|error") as caught:
        ItemIn.model_validate(raw.fields)
    ((pointer, found, detail),) = invalid(raw, caught.value).errors  # type: ignore[arg-type]  # pydantic's
    assert (pointer, found) == ("/items/0/metadata", code)
    assert said in detail
    assert own_columns_of_invalid(raw) is None


def test_metadata_of_exactly_the_limit_is_kept() -> None:
    metadata: dict[str, Value] = {"a": "é" * 2044}
    assert ItemIn.model_validate({"title": "x", "metadata": metadata}).metadata == metadata
    assert ItemIn.model_validate({"title": "x", "metadata": None}).metadata is None
    assert ItemIn.model_validate({"title": "x", "metadata": {}}).metadata == {}


def test_a_row_with_too_long_own_cells_is_an_error_of_its_line() -> None:
    body = b"title,note\nLampe,\n\nChaise," + b"x" * 4097
    first, second = take(request([body], CSV), SETTINGS).items
    assert own_columns_of(first, None) == {"note": ""}
    with pytest.raises(ItemError, match=r"the cells of your own columns have 4,097 bytes, over 4,096") as caught:
        own_columns_of(second, None)
    assert invalid(second, caught.value).line == 4


def test_items_of_a_job_have_at_most_256_different_own_columns() -> None:
    columns = OwnColumns()
    for name in range(256):
        columns.add({str(name): 1})
    columns.add({"0": 2, "255": 3})
    with pytest.raises(ItemError, match="with 'one more', the items have over 256 different own columns"):
        columns.add({"one more": 1})
    assert len(columns.names) == 256


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("id,titel,Prix\n1,Lampe,2\n", "one of title, description, image beside columns of your own; this one has"),
        (",designation,description,productid,imageid\n0,Lampe,,1,2\n", "this one has , designation"),
        ("title,Prix,prix\nLampe,1,2\n", "each at most once"),
        ("title,,a,\nLampe,1,2,3\n", "the heading has 3"),
        ("title,,a,,b\nLampe,1,2,3,4\n", "each at most once"),
        ("title," + ",".join(f"c{i}" for i in range(257)) + "\n", "has 257 columns of your own, over 256"),
        ("title," + "x" * 201 + "\n", "has 201 characters, over 200"),
    ],
)
def test_a_heading_that_may_be_a_mistake_is_refused(body: str, said: str) -> None:
    with pytest.raises(Problem) as caught:
        take(request([body.encode()], CSV), SETTINGS)
    assert caught.value.kind == "malformed-body"
    assert said in str(caught.value)


def test_short_rows_and_a_column_without_a_name_are_kept() -> None:
    items = take(request([b",Title,Prix,b\n0,Lampe, 1 \n1,Chaise,2,3,\n"], CSV), SETTINGS).items
    assert [item.fields for item in items] == [{"title": "Lampe"}, {"title": "Chaise"}]
    assert [item.own for item in items] == [{"": "0", "Prix": " 1 ", "b": ""}, {"": "1", "Prix": "2", "b": "3"}]


def test_the_fingerprint_covers_own_columns() -> None:
    bodies = [b"title\nLampe\n", b"title,a\nLampe,\n", b"title,a\nLampe,1\n", b"title,b\nLampe,1\n"]
    assert len({drain(request([body], CSV), SETTINGS) for body in bodies}) == len(bodies)
