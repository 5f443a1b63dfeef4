"""Labels: how they are kept, which of them wins, and what they make of a catalogue."""

import csv
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.stores.labels import Label, LabelKind, LabelStore, identity
from shared.stores.request_files import arrival
from tests.pictures import jpeg
from tests.rakuten import CODES
from tests.unit.training.catalogue_files import X, products, read
from training.catalogue.merging import by_item, merge
from training.catalogue.pictures import iter_pictures
from training.catalogue.product import Product
from training.catalogue.quality import write_quality
from training.catalogue.sources import open_source
from training.import_data import import_catalogue

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_LABEL = Label(index=0, code="10", by="anna", at=_NOON, tenant="local", title="Livre")


def _name(moment: int) -> str:
    return LabelStore.name(moment, f"{moment:024x}")


_LABELS = st.lists(
    st.builds(
        lambda title, code, minute, file: replace(
            _LABEL, title=title, code=code, at=_NOON + timedelta(minutes=minute), file=_name(file)
        ),
        st.sampled_from(["Livre", "livre!", "Lampe", "Console"]),
        st.sampled_from(CODES[:4]),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    max_size=12,
).map(lambda labels: [replace(label, index=index) for index, label in enumerate(labels)])
_PRODUCTS = [Product(row, str(row), title, None, CODES[0]) for row, title in enumerate(["Lampe", "Table", "LAMPE"])]


def _plain(title: str | None) -> str:
    return str(title).lower().strip("!")


# Which wins


@given(_LABELS, st.randoms(use_true_random=False))
def test_merging_labels_does_not_depend_on_their_order(labels: list[Label], dice: random.Random) -> None:
    shuffled = dice.sample(labels, len(labels))
    assert list(by_item(labels).items()) == list(by_item(shuffled).items())
    assert merge(_PRODUCTS, labels) == merge(_PRODUCTS, shuffled)


@given(_LABELS)
def test_the_latest_label_of_an_item_wins_and_all_are_reported(labels: list[Label]) -> None:
    merged = merge(_PRODUCTS, labels)
    code = {product.title and product.title.lower().strip("!"): product.category for product in merged.products}
    for label in labels:
        same = [other for other in labels if other.identity == label.identity]
        latest = max(same, key=lambda other: (other.at, other.file, other.index))
        assert code[_plain(label.title)] == latest.code
    assert len(merged.lines) == merged.labels == len(labels)
    assert sum("yes" in line for line in merged.lines) == merged.items == len({label.identity for label in labels})
    assert len(merged.products) == len(_PRODUCTS) + merged.added
    assert len({product.row for product in merged.products}) == len(merged.products)


def test_a_later_label_wins_even_if_it_arrived_earlier() -> None:
    early = replace(_LABEL, code="40", at=_NOON + timedelta(hours=1), file=_name(1))
    late = replace(_LABEL, code="10", at=_NOON, file=_name(2))
    (said,) = by_item([early, late]).values()
    assert [label.code for label in said] == ["40", "10"]


def test_the_identity_of_an_item_is_its_words_and_picture() -> None:
    assert identity("Livre d'été", None, None) == identity("LIVRE", "d’ete !", None)
    assert identity("Livre", None, "a" * 64) != identity("Livre", None, None) != identity("Livres", None, None)
    assert identity(None, None, "a" * 64) is not None
    assert identity("?!", " ", None) is None


# How they are kept


def test_a_label_is_read_as_it_was_stored(tmp_path: Path) -> None:
    store = LabelStore((tmp_path / "store").as_uri())
    assert (store.names(), list(store.labels())) == ([], [])
    whole = Label(
        3, "40", "anna", _NOON, "shop", "Jeu\u2028vidéo", "a\nb", "f" * 64, "https://a.example", LabelKind.CORRECTION,
        "job", "sku", "v1", "10", 0.5,
    )  # fmt: skip
    for name, labels in ((_name(2), [_LABEL]), (_name(1), [whole])):
        store.append(name, labels)
    assert list(store.labels()) == [replace(whole, file=_name(1)), replace(_LABEL, file=_name(2))]
    assert arrival(_name(90)) == datetime(1970, 1, 1, 0, 1, 30, tzinfo=UTC)


def test_half_written_label_files_are_ignored(tmp_path: Path) -> None:
    store = LabelStore(str(tmp_path))
    store.append(_name(1), [_LABEL])
    (tmp_path / "labels" / f"{_name(2)}.0badcafe").write_bytes(b'{"index":')
    assert store.names() == [_name(1)]
    assert store.snapshot(tmp_path / "copy").count == 1


def test_a_snapshot_is_an_exact_copy_of_the_label_store(tmp_path: Path) -> None:
    store, folder = LabelStore(str(tmp_path / "store")), tmp_path / "copy"
    picture, stray = store.put_picture(b"picture"), store.put_picture(b"of no label")
    store.append(_name(1), [replace(_LABEL, picture=picture)])
    (folder / "labels").mkdir(parents=True)
    (folder / "labels" / _name(9)).write_bytes(_LABEL.line())
    first = store.snapshot(folder)
    copy = LabelStore(str(folder))
    assert list(copy.labels()) == list(store.labels())
    assert copy.picture(picture) == b"picture"
    assert stray not in {path.name for path in folder.rglob("*")}
    assert (first.count, first.last, first) == (1, arrival(_name(1)), store.snapshot(folder))
    store.append(_name(2), [_LABEL, _LABEL])
    second = store.snapshot(folder)
    assert (second.count, second.last) == (3, arrival(_name(2)))
    assert second.sha256 != first.sha256


# What they make of a catalogue


@pytest.fixture
def store(tmp_path: Path) -> LabelStore:
    return LabelStore(str(tmp_path / "labels"))


def test_labels_are_merged_into_the_catalogue_and_reported(catalogue: Path, tmp_path: Path, store: LabelStore) -> None:
    output, labels = tmp_path / "imported", tmp_path / "labels"
    import_catalogue(open_source(str(catalogue)), output, labels)
    before = products(output)
    row = next(row for row, product in before.items() if product["picture"] is None)
    _, title, description, productid, _ = read(catalogue / X)[row + 1]
    code = before[row]["category"]
    other = next(known for known in CODES if known != code)
    known = replace(_LABEL, title=title.upper(), description=description or None)
    picture, broken = store.put_picture(jpeg("teal", (20, 20))), store.put_picture(b"no picture")
    store.append(
        _name(1), [replace(known, code=str(code)), replace(_LABEL, title="Tout neuf", picture=picture, code="40")]
    )
    store.append(
        _name(2),
        [
            replace(known, code=other, by="bruno", at=_NOON + timedelta(hours=1)),
            replace(_LABEL, title="Sans image", picture=broken, code="50"),
            replace(_LABEL, title=None, picture=broken, code="50"),
        ],
    )
    report = import_catalogue(open_source(str(catalogue)), output, labels)
    after = products(output)
    assert report.labels == {
        "labels": 4, "items": 3, "rows_added": 2, "rows_overruled": 1, "items_with_conflicting_labels": 1,
    }  # fmt: skip
    assert after[row] == before[row] | {"category": other}
    new, bare = after[108], after[109]
    assert (new["title"], new["category"], new["picture"]) == ("Tout neuf", "40", picture)
    assert (bare["title"], bare["category"], bare["picture"]) == ("Sans image", "50", None)
    assert {number: product for number, product in after.items() if number < 108 and number != row} == {
        number: product for number, product in before.items() if number != row
    }
    stored = dict(iter_pictures(output / "pictures.parquet"))
    assert picture in stored
    assert broken not in stored
    with (output / "labels.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    about = [line for line in lines if line["id"] == productid]
    assert [(line["code"], line["by"], line["won"], line["source_code"]) for line in about] == [
        (str(other), "bruno", "yes", str(code)),
        (str(code), "anna", "no", str(code)),
    ]
    figures = write_quality(output)
    assert figures["labels"] == report.labels
    page = (output / "quality.md").read_text()
    assert "4 labels of 3 items: 2 items are not in the source" in page
    assert "Tout neuf" not in page + (output / "labels.csv").read_text()


def test_no_author_of_a_label_is_a_formula_in_the_report(tmp_path: Path) -> None:
    merge([], [replace(_LABEL, by='=HYPERLINK("http://example.org")')]).write(tmp_path)
    with (tmp_path / "labels.csv").open(newline="") as file:
        (line,) = csv.DictReader(file)
    assert line["by"] == '\'=HYPERLINK("http://example.org")'


def test_the_id_of_a_new_item_is_the_same_in_every_import() -> None:
    alone = merge([], [_LABEL]).products[0]
    later = merge(_PRODUCTS, [replace(_LABEL, title="Console"), _LABEL]).products[-1]
    assert (alone.id, alone.row, later.row) == (later.id, 0, 4)
