"""What the source's listing sees, wherever the source lies: as long as it is the same, DVC skips the import."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, make_server

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.pipeline.params import ImportParams, SampleParams
from tests.unit.training import shop
from tests.unit.training.catalogue_files import PICTURES, PRODUCTID, X, Y, edit, illustrated, picture_files
from training.catalogue.errors import CatalogueError
from training.catalogue.listing import Changes, SourceListing, last_import, told

MARKS = st.dictionaries(st.text(max_size=3), st.sampled_from(["a", "b"]), max_size=6)


def listed(source: str | None, *unlabelled: str) -> SourceListing:
    return SourceListing.make(
        ImportParams(source=source, unlabelled=unlabelled, sample=SampleParams(per_type=4, seed=1))
    )


def in_figures(changes: dict[str, Changes]) -> dict[str, dict[str, int]]:
    return {kind: {name: n for name, n in of.figures.items() if n} for kind, of in changes.items()}


@given(MARKS, MARKS)
def test_changes_lead_from_the_one_to_the_other(before: dict[str, str], now: dict[str, str]) -> None:
    changes = Changes.between(before, now)
    kept = {name: mark for name, mark in before.items() if name not in changes.gone}
    assert {**kept, **{name: now[name] for name in (*changes.new, *changes.changed)}} == now
    assert bool(changes) == (before != now)


def _append(folder: Path) -> None:
    with (folder / X).open("a") as products, (folder / Y).open("a") as labels:
        products.write("108,piscine toute neuve,,999999001,999999002\n")
        labels.write("108,2583\n")


def _relabel(folder: Path) -> None:
    """Exchange two codes: the file is as long as before."""

    def exchange(table: list[list[str]]) -> None:
        table[1][1], table[-1][1] = table[-1][1], table[1][1]

    edit(folder / Y, exchange)


def _first_picture(folder: Path) -> Path:
    return picture_files(folder)[illustrated(folder)[0]]


def _replace_picture(folder: Path) -> None:
    """By other bytes, as many as before and a second later."""
    picture = _first_picture(folder)
    written = picture.stat().st_mtime
    picture.write_bytes(picture.read_bytes()[::-1])
    os.utime(picture, (written + 1, written + 1))


def _renumber(folder: Path) -> None:
    def change(table: list[list[str]]) -> None:
        table[1][PRODUCTID] = "999999003"

    edit(folder / X, change)


CHANGES: dict[str, tuple[Callable[[Path], object], dict[str, dict[str, int]]]] = {
    "a new product": (_append, {"tables": {"changed": 2}, "products": {"new": 1}}),
    "other labels": (_relabel, {"tables": {"changed": 1}, "products": {"changed": 2}}),
    "another picture": (_replace_picture, {"pictures": {"changed": 1}}),
    "a picture less": (lambda folder: _first_picture(folder).unlink(), {"pictures": {"gone": 1}}),
    "nothing": (lambda folder: (folder / PICTURES / "Thumbs.db").write_text("not a picture of a product"), {}),
}


@pytest.mark.usefixtures("_allowed_loopback")
@pytest.mark.parametrize(
    ("kind", "change"),
    [*((kind, change) for kind in ("memory", "relative") for change in CHANGES), ("http", "another picture")],
)
def test_a_change_is_seen_in_any_place(
    catalogue: Path, elsewhere: dict[str, str], kind: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(catalogue.parent)
    before = listed(elsewhere[kind])
    do, expected = CHANGES[change]
    do(catalogue)
    if kind == "memory":
        _copy_changes(catalogue)
    assert in_figures(listed(elsewhere[kind]).since(before)) == expected


def _copy_changes(catalogue: Path) -> None:
    """Bring the copy in memory to the folder's state, and write no file that is the same."""
    memory = fsspec.filesystem("memory")
    there = {path.removeprefix("/shop/catalogue/") for path in memory.find("/shop/catalogue")}
    here = {str(file.relative_to(catalogue)) for file in catalogue.rglob("*") if file.is_file()}
    for name in there - here:
        memory.rm(f"/shop/catalogue/{name}")
    for name in here:
        data = (catalogue / name).read_bytes()
        if name not in there or memory.cat_file(f"/shop/catalogue/{name}") != data:
            memory.pipe_file(f"/shop/catalogue/{name}", data)


def test_a_linked_picture_has_its_targets_mark(catalogue: Path, tmp_path: Path) -> None:
    picture = _first_picture(catalogue)
    target = Path(shutil.move(picture, tmp_path / "elsewhere.jpg"))
    picture.symlink_to(target)
    before = listed(str(catalogue))
    os.utime(target, (1, 1))
    assert in_figures(listed(str(catalogue)).since(before)) == {"pictures": {"changed": 1}}


def test_tables_that_are_only_touched_are_unchanged(catalogue: Path) -> None:
    before = listed(str(catalogue))
    for name in (X, Y):
        os.utime(catalogue / name, (1, 1))
    assert listed(str(catalogue)) == before


def test_texts_are_listed_by_their_content(tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "a"}\n')
    before = listed(None, str(texts))
    assert before.counts == {"products": 0, "pictures": 0, "texts": 1}
    texts.write_text('{"text": "b"}\n')
    changes = listed(None, str(texts)).since(before)
    assert told(changes) == "1 changed of the texts (1: texts.jsonl)"
    texts.unlink()
    with pytest.raises(CatalogueError, match="There is no file"):
        listed(None, str(texts))


@pytest.mark.parametrize("damage", [lambda table: table.write_text("from,to\nann,bob\n"), Path.unlink])
def test_a_missing_or_malformed_table_is_left_to_the_import(catalogue: Path, damage: Callable[[Path], object]) -> None:
    damage(catalogue / Y)
    assert listed(str(catalogue)).counts == {"products": 0, "pictures": 0, "texts": 0}


def _table(folder: Path) -> None:
    table = shop.rows()
    shop.write(folder / "taxonomy.csv", shop.CATEGORIES[0], shop.CATEGORIES[1:])
    shop.zipped(folder / "pictures.zip", shop.pictures(table))
    shop.write(folder / "products.xlsx", shop.HEADING, table)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda _: None, {}),
        (
            lambda folder: shop.write(folder / "products.xlsx", shop.HEADING, shop.rows()[1:]),
            {"tables": {"changed": 1}, "products": {"gone": 1}, "pictures": {"gone": 1}},
        ),
        (
            lambda folder: shop.write(folder / "taxonomy.csv", shop.CATEGORIES[0], shop.CATEGORIES[1:-1]),
            {"tables": {"changed": 1}},
        ),
        (
            lambda folder: shop.zipped(folder / "pictures.zip", {"W-BAG-A/0.png": b"other"}),
            {"pictures": {"changed": 1, "gone": 11}},
        ),
        (
            lambda folder: shop.unpacked(folder, {"W-BAG-A/0.png": b"other"}),
            {"pictures": {"changed": 1}},
        ),
        (lambda folder: (folder / "notes.txt.bak").write_text("x"), {}),
    ],
    ids=["nothing", "a product less", "other categories", "another zip", "a file before the zip", "another file"],
)
def test_changes_of_a_table_and_of_what_lies_beside_it_are_seen(
    tmp_path: Path, change: Callable[[Path], object], expected: dict[str, dict[str, int]]
) -> None:
    _table(tmp_path)
    before = listed(str(tmp_path))
    assert before.counts == {"products": 24, "pictures": 12, "texts": 0}
    change(tmp_path)
    assert in_figures(listed(str(tmp_path)).since(before)) == expected


def test_a_source_without_tables_is_not_the_generated_sample(tmp_path: Path) -> None:
    assert listed(str(tmp_path)) != listed(None)


def test_a_listing_is_kept_whole_and_without_passwords(catalogue: Path, tmp_path: Path) -> None:
    listing = listed(str(catalogue))
    listing.write(tmp_path / "one.json")
    listing.write(tmp_path / "two.json")
    assert SourceListing.read(tmp_path / "one.json") == listing
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    (tmp_path / "one.json").write_text("[")
    assert SourceListing.read(tmp_path / "one.json") is None
    secret, open_ = (
        ImportParams(source=place, unlabelled=(), sample=SampleParams(per_type=4, seed=1))
        for place in ("https://me:secret@shop.example/a?key=secret", "https://shop.example/a")
    )
    assert last_import(tmp_path, secret) == last_import(tmp_path, open_)


# Web servers


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that the base class gives it
        """Say nothing."""


@contextmanager
def _plain_server(folder: Path, *, head: bool) -> Iterator[str]:
    """A server that tells neither time nor ETag, and perhaps refuses HEAD; yields its address."""

    def answer(environ: dict[str, str], start: Callable[..., object]) -> list[bytes]:
        file = folder / environ["PATH_INFO"].lstrip("/")
        if environ["REQUEST_METHOD"] == "HEAD" and not head:
            start(f"405 {HTTPStatus.METHOD_NOT_ALLOWED.phrase}", [])
            return []
        if not file.is_file():
            start("404 Not Found", [])
            return []
        start("200 OK", [("Content-Length", str(file.stat().st_size))])
        return [file.read_bytes()] if environ["REQUEST_METHOD"] == "GET" else []

    with make_server("127.0.0.1", 0, answer, handler_class=_Quiet) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.usefixtures("_allowed_loopback")
@pytest.mark.parametrize("head", [True, False])
def test_a_server_that_tells_nothing_is_read(catalogue: Path, head: bool) -> None:
    with _plain_server(catalogue, head=head) as url:
        before = listed(url)
        assert before.counts["pictures"] == len(illustrated(catalogue))
        _replace_picture(catalogue)
        assert in_figures(listed(url).since(before)) == {"pictures": {"changed": 1}}


@pytest.mark.usefixtures("_allowed_loopback")
def test_a_server_that_is_away_is_told_of(catalogue: Path) -> None:
    with _plain_server(catalogue, head=True) as url:
        pass
    with pytest.raises(CatalogueError, match="cannot be read"):
        listed(url)
