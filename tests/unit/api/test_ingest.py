"""Bodies to items: real requests, cut anyhow."""

import asyncio
import json
import zipfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import ingest
from api.http.problems import Problem
from api.http.small_bodies import json_object
from api.ingest import RawItem
from api.jobs.listing import ITEMS
from tests.unit.api.bodies import (
    BOUNDARY,
    CSV,
    JSON,
    NDJSON,
    SETTINGS,
    Field,
    csv_table,
    cut,
    damaged,
    drain,
    multipart,
    request,
    suppress_problem,
    take,
    zipped,
)

ITEM_LIMIT = ingest.item_limit(SETTINGS)
COLUMNS = ("id", "title", "description", "image")

texts = st.text(max_size=20) | st.text('\\"[]{},:u', max_size=20)
sizes = st.lists(st.integers(1, 60), min_size=1, max_size=5)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
items_of_any_kind = st.lists(values, max_size=8)
rows = st.lists(st.fixed_dictionaries({name: st.text(max_size=12) for name in COLUMNS}), max_size=6)


def fields_of(taken: list[RawItem]) -> list[Any]:
    assert [item.index for item in taken] == list(range(len(taken)))
    return [item.fields for item in taken]


def problem(body: bytes, content_type: str = JSON) -> Problem:
    with pytest.raises(Problem) as caught:
        take(request(cut(body, [1000]), content_type), SETTINGS)
    return caught.value


@given(items_of_any_kind, sizes, st.booleans(), st.sampled_from([None, 2]), st.booleans())
def test_items_in_json_come_out_as_they_went_in(
    items: list[Any], sizes: list[int], bare: bool, indent: int | None, ascii_only: bool
) -> None:
    document = items if bare else {"webhook_url": "https://a.example/", "items": items, "deadline_s": 2.5}
    body = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode()
    taken = take(request(cut(body, sizes)), SETTINGS)
    assert fields_of(taken.items) == items
    assert [item.pointer for item in taken.items] == [f"/items/{index}" for index in range(len(items))]
    assert taken.options == ({} if bare else {"webhook_url": "https://a.example/", "deadline_s": 2.5})
    assert taken.fingerprint == take(request([body]), SETTINGS).fingerprint
    assert taken.fingerprint == drain(request(cut(body, [7])), SETTINGS)


@given(items_of_any_kind, sizes, st.sampled_from(["\n", "\r\n", "\n\n", "\n \r\n"]), st.booleans())
def test_items_in_ndjson_come_out_with_their_lines(items: list[Any], sizes: list[int], newline: str, bom: bool) -> None:
    body = b"\xef\xbb\xbf" * bom + "".join(json.dumps(item) + newline for item in items).encode()
    taken = take(request(cut(body, sizes), NDJSON), SETTINGS)
    assert fields_of(taken.items) == items
    step = newline.count("\n")
    assert [item.line for item in taken.items] == [1 + step * index for index in range(len(items))]
    assert taken.fingerprint == drain(request([body], NDJSON), SETTINGS)


@given(rows, sizes, st.sampled_from(",;"), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.permutations(COLUMNS))
def test_rows_in_csv_come_out_with_the_line_where_they_begin(
    rows: list[dict[str, str]], sizes: list[int], delimiter: str, newline: str, bom: bool, columns: list[str]
) -> None:
    # Quotes around all cells: Python's writer leaves a lone carriage return bare.
    dialect = {"delimiter": delimiter, "lineterminator": newline, "quoting": 1}
    body = b"\xef\xbb\xbf" * bom + csv_table(rows, columns, **dialect).encode()
    taken = take(request(cut(body, sizes), CSV), SETTINGS)
    filled = [index for index, row in enumerate(rows) if any(map(str.strip, row.values()))]
    expected: list[dict[str, Any]] = [{name: cell for name, cell in rows[index].items() if cell} for index in filled]
    for fields in expected:
        if image := fields.get("image"):
            fields["image"] = {"file": image}
    assert fields_of(taken.items) == expected
    begins = [csv_table(rows[:index], columns, **dialect).count("\n") + 1 for index in filled]
    assert [item.line for item in taken.items] == begins
    assert taken.fingerprint == drain(request([body], CSV), SETTINGS)


ITEM: dict[str, Any] = {"id": "1", "title": "é", "image": {"file": "a.jpg"}}
PICTURES = [("a.jpg", b"picture"), ("b.jpg", b"another")]


def _of(
    items: list[Any],
    pictures: list[tuple[str, bytes]],
    *,
    deadline: str = "60",
    mirrored: bool = False,
    boundary: str = BOUNDARY,
    **packing: Any,
) -> str:
    """The fingerprint of a request whose pictures come in a zip; `mirrored`: with its parts and members reversed."""
    order = slice(None, None, -1) if mirrored else slice(None)
    lines = b"".join(json.dumps(dict([*item.items()][order])).encode() + b"\n" for item in items)
    fields: list[Field] = [
        ("items", "items.ndjson", lines),
        ("images", "pictures.zip", zipped(pictures[order], **packing)),
        ("deadline_s", None, deadline.encode()),
    ]
    body, content_type = multipart(fields[order], boundary)
    fingerprint = drain(request(cut(body, [100]), content_type), SETTINGS)
    assert fingerprint == take(request([body], content_type), SETTINGS).fingerprint
    return fingerprint


@pytest.mark.parametrize(
    "packing", [{"boundary": "another"}, {"year": 1999}, {"method": zipfile.ZIP_STORED}, {"mirrored": True}]
)
def test_fingerprint_does_not_depend_on_how_the_content_is_packed(packing: dict[str, Any]) -> None:
    assert _of([ITEM, ITEM], PICTURES, **packing) == _of([ITEM, ITEM], PICTURES)


def test_fingerprint_does_not_depend_on_where_options_and_pictures_are() -> None:
    lines = json.dumps(ITEM).encode()
    fields: list[Field] = [("images", name, content) for name, content in PICTURES]
    body, content_type = multipart([*fields, ("items", "other.ndjson", lines), ("webhook_url", None, b"")])
    fingerprint = drain(request([body], f"{content_type}; charset=utf-8", "deadline_s=60"), SETTINGS)
    assert fingerprint == _of([ITEM], PICTURES)


def test_fingerprint_depends_on_the_content() -> None:
    other = {**ITEM, "title": "e"}
    fingerprints = [
        _of([ITEM], PICTURES),
        _of([other], PICTURES),
        _of([ITEM, other], PICTURES),
        _of([other, ITEM], PICTURES),
        _of([{"id": "1", "title": "éimage", "image": {"file": "a.jpg"}}], PICTURES),
        _of([ITEM], [("a.jpg", b"another"), ("b.jpg", b"picture")]),
        _of([ITEM], PICTURES[:1]),
        _of([ITEM], PICTURES, deadline="61"),
    ]
    assert len({*fingerprints}) == len(fingerprints)


@given(items_of_any_kind, items_of_any_kind)
def test_fingerprint_is_the_same_for_equal_items_alone(some: list[Any], others: list[Any]) -> None:
    first, second = (drain(request([json.dumps(items).encode()]), SETTINGS) for items in (some, others))
    assert (first == second) == (json.dumps(some, sort_keys=True) == json.dumps(others, sort_keys=True))


PARTS: list[Field] = [
    ("items", "items.ndjson", b'{"image": {"file": "a.jpg"}}\n'),
    ("images", "a.jpg", b"x"),
    ("webhook_url", None, b"u"),
    ("images", "more.zip", zipped([("b.jpg", b"picture" * 20)])),
]
WHOLE = {
    JSON: '{"items": [{"id": "é\\u00e9\\ud83d\\ude00", "n": [1, 2.5e3, null]}], "error_budget": 0.1}'.encode(),
    NDJSON: '{"id": "é", "n": [1, 2.5e3, null]}\n{"id": "\\u00e9"}\n'.encode(),
    CSV: 'id,title\n1,"a ""b""\nc"\n2,12" é\n'.encode(),
    multipart(PARTS)[1]: multipart(PARTS)[0],
}


@given(st.data(), sizes)
def test_any_bytes_give_items_or_a_problem(data: st.DataObject, sizes: list[int]) -> None:
    content_type = data.draw(st.sampled_from([*WHOLE, "multipart/form-data; boundary=", "text/html", "", "\xff;="]))
    body = data.draw(damaged(WHOLE[content_type]) | st.binary() if content_type in WHOLE else st.binary())
    with suppress_problem(400, 413, 415):
        take(request(cut(body, sizes), content_type), SETTINGS)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "must be JSON"),
        (b'{"items": [{}, {', "The body ends in item 1"),
        (b'{"items": [{}, {oops}]}', "Item 1 is not JSON at its character 3"),
        (b'{"items": [{}, ]}', "Item 1 is not JSON"),
        (b'{"items": [{}}]}', "no comma and no end of the list at byte 14"),
        (b'{"items": [{]}]}', "Item 0 is not JSON"),
        (b'{"items": []]', "no comma and no end of the object at byte 13"),
        (b'{"items": [] "webhook_url": 1}', "no comma"),
        (b'{"items": [],}', "The name of a member is not JSON"),
        (b'{"items"}', 'no "name": value at byte 9'),
        (b"{3: []}", 'no "name": value'),
        (b'{"items": []} x', "something after the end of the document at byte 15"),
        (b'{"items": 3}', 'The member "items" must be a list'),
        (b'{"webhook_url": "x"}', 'no member "items"'),
        (b"{}", 'no member "items"'),
        (b'{"items": [], "typo": 1}', "Unknown member 'typo'"),
        (b'{"items": [], "\\udfff": 1}', "Unknown member '\\udfff'"),
        (b'{"items": [], "deadline_s": {}}', "'deadline_s' must be a single value"),
        (b'{"items": [], "items": []}', "'items' occurs twice"),
        (b"[" * 100_000, "Item 0 is nested more than 32 levels deep"),
        (b"[0," + b"[" * 33 + b"]" * 34, "Item 1 is nested more than 32 levels deep"),
        (b"[" + b"[0]," * 10 + b"[" + b"0," * 5000 + b"0]]", "Item 10 has more than 1,000 values"),
        (b'["\xff"]', "Item 0 is not UTF-8 at its byte 2"),
        (b'["\xed\xa0\x80"]', "Item 0 is not UTF-8"),
        (b"[NaN]", "Item 0 is not JSON: NaN"),
        (b"[1e999]", "the number 1e999 is too large"),
        (b"[" + b"1" * 5000 + b"]", "Item 0 is not JSON"),
        (b"7", "must be JSON"),
    ],
)
def test_a_wrong_json_body_is_explained(body: bytes, said: str) -> None:
    found = problem(body)
    assert (found.status, found.kind) == (400, "malformed-body")
    assert said in str(found)


@pytest.mark.parametrize(
    ("body", "line", "said"),
    [
        (b"{}\n\n{oops\n", 3, "Line 3 is not JSON at its character 2"),
        (b'{}\n{"a": "\xff"}', 2, "Line 2 is not UTF-8 at its byte 8"),
        (b'{"a": NaN}', 1, "NaN"),
        (b"[" * 33 + b"]" * 33, 1, "nested more than 32 levels deep"),
        (b"[" + b"0," * 5000 + b"0]", 1, "has more than 1,000 values"),
        (b"1" * 5000, 1, "Line 1 is not JSON"),
    ],
)
def test_a_wrong_line_of_ndjson_is_named(body: bytes, line: int, said: str) -> None:
    found = problem(body, NDJSON)
    assert (found.status, found.more) == (400, {"line": line})
    assert said in str(found)


@pytest.mark.parametrize(
    ("body", "line", "said"),
    [
        (b"\na,b\n1,2\n", 2, "this one has a, b"),
        (b"id,id\n", 1, "each at most once"),
        (b"id,title\n1,2\n1,2,3\n", 3, "Line 3 of the table has 3 cells, but the heading has 2"),
        (b'id,title\n1,"a\nb\nc', 2, "begins in line 2 is not closed"),
        (b'id,title\n1,"a" b\n', 2, "Line 2 of the table: text after a closing quote at its character 6"),
        (b'id,title\n1,"a\nb" c\n', 2, "at its character 3 of line 3"),
        (b"id,title\n1,a\rb\n", 2, "a carriage return that ends no line at its character 4"),
        (b"id,title,\n1,a,b\n", 2, "has 3 cells, but the heading has 2"),
        (b"sep=:\nid:title\n", 1, "names the separator ':'; commas, semicolons, tabs, vertical bars are taken"),
        (b"id,title\n1,caf\xe9\n", 2, "Line 2 of the table is not UTF-8 at its byte 6"),
    ],
)
def test_a_wrong_line_of_csv_is_named(body: bytes, line: int, said: str) -> None:
    found = problem(body, CSV)
    assert (found.status, found.more) == (400, {"line": line})
    assert said in str(found)


@pytest.mark.parametrize(
    "body",
    [
        b"id\ttitle\r\n1\ta;b,c\r\n2\td\r\n",
        b"id|title\n1|a;b,c\n2|d\n",
        b'"id";title\n1;"a;b,c"\n2;d\n',
        b'sep=;\r\nid;title\r\n1;"a;b,c"\r\n2;d\r\n',
        b'id,title\r1,"a;b,c"\r2,d\r',
        b'id,title,,\r\n1,"a;b,c",,\r\n2,d,,,,\r\n,,,\r\n , \r\n',
        b'\n\n ID , Title\n1,"a;b,c"\n,\n2,d',
        *('id;title\r\n1;"a;b,c"\r\n2;d\r\n'.encode(charset) for charset in ("utf-8-sig", "utf-16", "utf-32")),
    ],
)
def test_csv_is_read_as_programs_write_it(body: bytes) -> None:
    for sizes in ([1], [1000]):
        taken = take(request(cut(body, sizes), CSV), SETTINGS)
        assert fields_of(taken.items) == [{"id": "1", "title": "a;b,c"}, {"id": "2", "title": "d"}]


def test_csv_quote_inside_a_cell_is_no_quoting() -> None:
    body = b'id,title\na,12" x\nb,"12"" y"\nc,5" z\n'
    taken = take(request([body], CSV), SETTINGS)
    assert [(item.line, item.fields["title"]) for item in taken.items] == [(2, '12" x'), (3, '12" y'), (4, '5" z')]


def test_a_url_in_csv_is_no_file_name() -> None:
    table = b'image\nhttps://a.example/x.jpg\nHTTP://a.example/y\n"data:image/png;base64,/9j/"\nhttp.jpg\n'
    taken = take(request([table], CSV), SETTINGS)
    assert [list(item.fields["image"]) for item in taken.items] == [["url"], ["url"], ["url"], ["file"]]


def test_json_with_half_a_surrogate_pair_is_left_to_the_schema() -> None:
    for body, content_type in ((b'[{"title": "\\ud800"}]', JSON), (b'{"title": "\\ud800"}', NDJSON)):
        assert fields_of(take(request([body], content_type), SETTINGS).items) == [{"title": "\ud800"}]


def test_options_in_the_body_override_the_query() -> None:
    body = b'{"items": [], "on_invalid": "skip"}'
    taken = take(request([body], JSON, "on_invalid=reject&error_budget=0.5&other=1"), SETTINGS)
    assert taken.options == {"on_invalid": "skip", "error_budget": "0.5"}


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        (b'[{"title": "' + b"x" * (ITEM_LIMIT + 1000) + b'"}]', JSON, "item-too-long"),
        (b"{}\n" + b"x" * ITEM_LIMIT + b"x", NDJSON, "line-too-long"),
        (b'id\n"' + b"x\n" * ITEM_LIMIT, CSV, "line-too-long"),
        (b"[" + b" " * 1_000_000, JSON, "item-too-long"),
        (b"{}\n" * 400_000, NDJSON, "body-too-large"),
    ],
)
def test_items_and_lines_over_the_limit_are_refused(body: bytes, content_type: str, kind: str) -> None:
    found = problem(body, content_type)
    assert (found.status, found.kind) == (413, kind)


def test_body_with_too_large_content_length_is_not_read() -> None:
    pieces = iter([b"{}"])
    with pytest.raises(Problem, match="larger than 1,000,000 bytes") as caught:
        take(request(pieces, NDJSON, headers={"content-length": "1000001"}), SETTINGS)
    assert caught.value.status == 413
    assert next(pieces) == b"{}"


def test_fingerprint_is_available_after_the_body_has_ended() -> None:
    async def early() -> str:
        async with await ingest.read(request([b"{}\n", b"{}"], NDJSON), SETTINGS, ITEMS) as intake:
            await anext(intake.items)
            return intake.fingerprint()

    with pytest.raises(RuntimeError, match="not been read to its end"):
        asyncio.run(early())


def test_a_json_object_is_read_whole_up_to_a_limit() -> None:
    assert asyncio.run(json_object(request(cut(b'{"a": 1}', [2])), 8)) == {"a": 1}
    for body, said in ((b'{"a": 11}', "larger than 8 bytes"), (b"[]", "must be a JSON object"), (b"{", "is not JSON")):
        with pytest.raises(Problem, match=said):
            asyncio.run(json_object(request([body]), 8))


def test_intake_of_a_single_item_needs_no_body() -> None:
    async def items() -> list[RawItem]:
        return [item async for item in ingest.single({"title": "a"}, SETTINGS).items]

    assert asyncio.run(items()) == [RawItem(0, {"title": "a"}, "/items/0")]
