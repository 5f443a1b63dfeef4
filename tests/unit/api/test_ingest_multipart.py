"""A table and its pictures in one body: real requests, cut anyhow."""

import asyncio
import io
import json
import re
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import ClientDisconnect

from api import ingest
from api.http.problems import Problem
from api.ingest import PictureRefused, Spool
from api.jobs.listing import ITEMS
from shared.settings import ROOT, Settings
from tests.unit.api.bodies import (
    SETTINGS,
    Field,
    cut,
    damaged,
    drain,
    multipart,
    ndjson,
    request,
    suppress_problem,
    take,
    zipped,
)

TABLE: Field = ("items", "items.ndjson", b'{"image": {"file": "a.jpg"}}\n')
PICTURES = [("a.jpg", b"picture" * 20), ("b.jpg", b"other")]
ARCHIVE, STORED = zipped(PICTURES), zipped(PICTURES, zipfile.ZIP_STORED)

sizes = st.lists(st.integers(1, 60), min_size=1, max_size=5)
names = st.from_regex(r"[a-zé]{1,8}\.jpg", fullmatch=True)
files = st.dictionaries(names, st.binary(min_size=1, max_size=90), max_size=4)
items = st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3), max_size=5)


def refused(*parts: Field, settings: Settings = SETTINGS) -> Problem:
    body, content_type = multipart(parts)
    with pytest.raises(Problem) as caught:
        take(request([body], content_type), settings)
    return caught.value


@given(
    items, files, sizes, st.integers(0, 4), st.booleans(), st.sampled_from(["items.json", "items.ndjson", "x", None])
)
def test_multipart_gives_the_table_and_its_pictures(
    items: list[Any], files: dict[str, bytes], sizes: list[int], place: int, as_zip: bool, table_name: str | None
) -> None:
    as_json = table_name != "items.ndjson" and len(sizes) > 2
    table = json.dumps({"items": items}).encode() if as_json or table_name == "items.json" else ndjson(items)
    pictures = [("images", name, content) for name, content in files.items()]
    folder = "folder/" if as_zip else ""
    if as_zip:
        inside = [(f"{folder}{name}", content) for name, content in files.items()]
        ignored = [("folder/", b""), ("__MACOSX/folder/x.jpg", b"?"), ("folder/.x.jpg", b"?")]
        pictures = [("images", "all.ZIP", zipped([*inside, *ignored]))]
    fields: list[Field] = [*pictures, ("on_invalid", None, b"skip"), ("images", "", b"")]
    fields.insert(place, ("items", table_name, table))
    body, content_type = multipart(fields)
    taken = take(request(cut(body, sizes), content_type), SETTINGS)
    assert [item.fields for item in taken.items] == items
    assert taken.options == {"on_invalid": "skip"}
    assert taken.pictures == {f"{folder}{name}": sha256(content).hexdigest() for name, content in files.items()}
    assert all(taken.contents[str(taken.pictures[folder + name])] == content for name, content in files.items())
    again, content_type = multipart(fields, "another-boundary")
    assert take(request([again], content_type), SETTINGS).fingerprint == taken.fingerprint
    assert drain(request(cut(again, [11]), content_type), SETTINGS) == taken.fingerprint


@given(damaged(ARCHIVE) | damaged(STORED))
def test_a_damaged_zip_gives_pictures_or_a_problem(archive: bytes) -> None:
    body, content_type = multipart([TABLE, ("images", "a.zip", archive)])
    with suppress_problem(400, 413):
        take(request([body], content_type), SETTINGS)


@pytest.mark.parametrize(
    ("table", "options"),
    [
        (("items", "Items.CSV", b"id;title\n1;a\n"), {}),
        (("items", None, b' {"deadline_s": 5, "items": [{"id": "1", "title": "a"}]}'), {"deadline_s": 5}),
        (("items", "items", b'\n[{"id": "1", "title": "a"}]'), {}),
        (("items", "items.txt", b'{"id": "1", "title": "a"}'), {}),
    ],
)
def test_multipart_table_form_follows_from_its_name_or_beginning(table: Field, options: dict[str, Any]) -> None:
    body, content_type = multipart([table])
    taken = take(request([body], content_type), SETTINGS)
    assert [item.fields for item in taken.items] == [{"id": "1", "title": "a"}]
    assert taken.options == options


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([("images", "a.jpg", b"x")], "no field named items"),
        ([TABLE, TABLE], "'items' occurs twice"),
        ([TABLE, ("on_invalid", None, b"a"), ("on_invalid", None, b"b")], "'on_invalid' occurs twice"),
        ([TABLE, ("colour", None, b"red")], "Unknown field 'colour'"),
        ([TABLE, ("webhook_url", None, b"\xff")], "'webhook_url' is not UTF-8"),
        ([TABLE, ("images", "x/a.jpg", b"1"), ("images", "x\\a.jpg", b"2")], "Two pictures are named 'x/a.jpg'"),
        ([TABLE, ("images", "a.jpg", b"1"), ("images", "a.zip", ARCHIVE)], "Two pictures are named 'a.jpg'"),
        ([TABLE, ("images", "", b"1")], "has no file name"),
        ([TABLE, ("images", "a.zip", b"no zip")], "The zip cannot be read"),
        ([TABLE, ("images", "a.zip", zipped([("a", b"x" * 99)], zipfile.ZIP_BZIP2))], "is not compressed with deflate"),
        ([TABLE, ("images", "a.zip", STORED.replace(b"other", b"0ther"))], "'b.jpg' in the zip cannot be read"),
    ],
)
def test_a_wrong_body_is_explained(fields: list[Field], said: str) -> None:
    found = refused(*fields)
    assert (found.status, found.kind) == (400, "malformed-body")
    assert said in str(found)


@pytest.mark.parametrize("name", ["items.csv", "shop/Items.CSV", "items.ndjson", "items.jsonl", "items.json"])
def test_a_table_in_a_zip_lists_the_items(name: str) -> None:
    csv = name.lower().endswith(".csv")
    lines = b"title,image\na,sku/a.jpg\n" if csv else b'{"title": "a", "image": {"file": "sku/a.jpg"}}'
    table = b"\xef\xbb\xbf" + (b"[" + lines + b"]" if name.endswith(".json") else lines)
    archive = zipped([("__MACOSX/._items.csv", b"?"), ("sku/a.jpg", b"picture"), (name, table), ("Thumbs.db", b"?")])
    body, content_type = multipart([("images", "all.zip", archive), ("on_invalid", None, b"skip")])
    taken = take(request(cut(body, [50]), content_type), SETTINGS)
    assert [item.fields for item in taken.items] == [{"title": "a", "image": {"file": "sku/a.jpg"}}]
    assert list(taken.pictures) == ["sku/a.jpg"]


def test_a_table_in_a_zip_gives_way_to_the_field_and_must_be_the_only_one() -> None:
    two = ("images", "all.zip", zipped([("old.csv", b"title\nb\n"), ("x/new.json", b"[]")]))
    for fields in ([two, TABLE], [TABLE, two]):
        body, content_type = multipart(fields)
        assert len(take(request([body], content_type), SETTINGS).items) == 1
    assert "several tables, such as 'old.csv' and 'x/new.json'" in str(refused(two))
    large = ("images", "all.zip", zipped([("items.ndjson", b"\n" * (SETTINGS.max_body_bytes + 1))]))
    assert refused(large).kind == "body-too-large"


def test_files_that_systems_leave_are_no_pictures() -> None:
    left = [("images", name, b"?") for name in ("a/Thumbs.db", "b/Thumbs.db", ".DS_Store", "desktop.ini")]
    body, content_type = multipart([*left, TABLE, ("images", "a.jpg", b"picture")])
    assert list(take(request([body], content_type), SETTINGS).pictures) == ["a.jpg"]


def test_a_zip_that_was_written_as_a_stream_is_read() -> None:
    """Its sizes follow each file's data."""

    class Pipe(io.RawIOBase):
        written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            Pipe.written += bytes(data)
            return len(data)

    with zipfile.ZipFile(Pipe(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", b"picture" * 20)
    assert b"PK\x07\x08" in Pipe.written
    body, content_type = multipart([TABLE, ("images", "a.ZIP", Pipe.written)])
    assert list(take(request([body], content_type), SETTINGS).pictures) == ["a.jpg"]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b"form-data; name=images; filename=\"=?utf-8?B?w6kuanBn?=\"; filename*=utf-8''%C3%A9.jpg", "é.jpg"),
        (b"form-data; name=images; filename*=UTF-8''%C3%A9.jpg", "é.jpg"),
        ('form-data; name="images"; filename="é.jpg"'.encode(), "é.jpg"),
        ('form-data; name="images"; filename="é.jpg"'.encode("cp1252"), "é.jpg"),
        (b'form-data; name="images"; filename="12%22.jpg"', '12".jpg'),
        (b'form-data; name="images"; filename="C:\\pics\\a.jpg"', "a.jpg"),
    ],
)
def test_a_parts_name_is_read_as_clients_write_it(header: bytes, name: str) -> None:
    body, content_type = multipart([TABLE, ("images", "NAME", b"picture")])
    body = re.sub(rb'form-data; name="images"; filename="NAME"', lambda _: header, body)
    assert list(take(request([body], content_type), SETTINGS).pictures) == [name]


def test_an_encrypted_zip_is_refused() -> None:
    flags = ARCHIVE.index(b"PK\x01\x02") + 8
    archive = ARCHIVE[:flags] + b"\x01" + ARCHIVE[flags + 1 :]
    assert "'a.jpg' in the zip is encrypted" in str(refused(TABLE, ("images", "a.zip", archive)))


@pytest.mark.parametrize("as_zip", [False, True])
def test_a_picture_that_is_too_large_or_empty_is_not_kept(as_zip: bool) -> None:
    limit = SETTINGS.max_image_bytes
    pictures = [("fits.jpg", b"x" * limit), ("large.jpg", b"x" * (limit + 1)), ("empty.jpg", b"")]
    sent = [("images", name, content) for name, content in pictures]
    body, content_type = multipart([TABLE, *([("images", "a.zip", zipped(pictures))] if as_zip else sent)])
    taken = take(request(cut(body, [7000]), content_type), SETTINGS)
    assert taken.pictures == {
        "fits.jpg": sha256(b"x" * limit).hexdigest(),
        "large.jpg": PictureRefused("the picture has 30,001 bytes, over 30,000"),
        "empty.jpg": PictureRefused("the picture is empty"),
    }


@pytest.mark.parametrize(
    ("pictures", "kind"),
    [
        ([("images", f"{i}.jpg", b"x") for i in range(51)], "too-many-pictures"),
        ([("images", "a.zip", zipped((f"{i}.jpg", b"x") for i in range(51)))], "too-many-pictures"),
        ([("images", f"{n}.zip", zipped((f"{n}{i}", b"x") for i in range(26))) for n in "ab"], "too-many-pictures"),
        ([("images", "a.zip", zipped((str(i), b"0" * 30_000) for i in range(34)))], "body-too-large"),
        ([("z", "z.zip", zipped((f"{n}{i}", b"0" * 30_000) for i in range(20))) for n in "ab"], "body-too-large"),
        ([("webhook_url", None, b"x" * 200_000)], "field-too-long"),
    ],
    ids=["parts", "entries", "entries of two zips", "a bomb", "two half bombs", "a field"],
)
def test_multipart_over_a_limit_is_refused(pictures: list[Field], kind: str) -> None:
    found = refused(TABLE, *pictures)
    assert (found.status, found.kind) == (413, kind)


def test_a_zip_that_unpacks_to_more_than_it_says_is_refused() -> None:
    archive = bytearray(zipped([("a.jpg", b"0" * 1_000_000)]))
    size = archive.index(b"PK\x01\x02") + 24
    archive[size : size + 4] = (20_000).to_bytes(4, "little")
    assert "'a.jpg' in the zip cannot be read" in str(refused(TABLE, ("images", "a.zip", bytes(archive))))


def test_an_intake_that_is_closed_early_leaves_no_file_open() -> None:
    table = ndjson({"title": "x" * 1000} for _ in range(3000))
    body, content_type = multipart([("items", "items.ndjson", table)])

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async def files_before_while_and_after() -> tuple[int, int, int]:
        before = open_files()
        async with await ingest.read(request(cut(body, [65536]), content_type), Settings(), ITEMS) as intake:
            await anext(intake.items)
            during = open_files()
        return before, during, open_files()

    before, during, after = asyncio.run(files_before_while_and_after())
    assert (during, after) == (before + 1, before)


def test_client_disconnect_is_not_reported_as_a_malformed_body() -> None:
    body, content_type = multipart([TABLE])
    with pytest.raises(ClientDisconnect):
        take(request([body[:-20]], content_type, cut_off=True), SETTINGS)


def test_pictures_of_a_request_are_bounded_together() -> None:
    pictures = [(f"{index}.jpg", bytes([index]) * 29_000) for index in range(40)]
    problem = refused(TABLE, ("images", "all.zip", zipped(pictures)), settings=SETTINGS)
    assert (problem.status, problem.kind) == (413, "body-too-large")


def test_pictures_of_all_requests_are_bounded_together() -> None:
    picture = bytes(60)
    with Spool(100) as first, Spool(100) as second, Spool(100) as third, Spool(100) as fourth:
        names = [spool.add(bytes([index]) + picture) for index, spool in enumerate((first, second, third))]
        with pytest.raises(Problem) as caught:
            fourth.add(picture)
        assert caught.value.status == 503
        assert caught.value.headers["Retry-After"]
        assert first.add(bytes([0]) + picture) == names[0], "it is there already"
        third.close()
        fourth.add(picture)


def test_a_small_form_is_texts_and_bytes() -> None:
    body, content_type = multipart([("description", None, "é".encode()), ("image", "a.jpg", b"\xff")])
    form = asyncio.run(ingest.small_form(request(cut(body, [3]), content_type), 1000))
    assert form == {"description": "é", "image": b"\xff"}
    with pytest.raises(Problem, match="larger than 100 bytes"):
        asyncio.run(ingest.small_form(request(cut(body, [3]), content_type), 100))


@pytest.mark.parametrize("form", ["json", "gzip", "ndjson", "csv", "parts", "zip"])
def test_memory_of_ingest_stays_small(form: str, tmp_path: Path) -> None:
    """100,000 texts, or 300 MB of pictures."""
    script = [sys.executable, "-m", "tests.unit.api.ingest_memory", form, str(tmp_path)]
    growth = subprocess.run(script, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert int(growth) < 30_000_000
