"""Merges the labels that people sent into the catalogue: an item's latest label wins, also over the source's.

A label of an item that the source lacks becomes a row of its own. The report lists every label and whether it won; it
contains no product's text.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shared.model.images import UnreadableImageError, decode
from shared.spreadsheets import disarmed
from shared.stores.labels import Label, LabelStore, identity
from shared.taxonomy import Taxonomy
from training.catalogue.pictures import Picture, PictureWriter
from training.catalogue.product import Product

REPORT = "labels.csv"
_COLUMNS = ("item", "row", "id", "code", "by", "at", "kind", "won", "source_code", "request")


@dataclass(frozen=True)
class Merged:
    """A catalogue with the labels that people sent."""

    products: list[Product]
    labels: int
    items: int
    added: int
    """The number of items that the source lacks."""
    overruled: int
    """The number of the source's rows that got another code."""
    conflicts: int
    """The number of items whose labels contradict one another."""
    lines: list[tuple[object, ...]]
    """The lines of the report."""

    @property
    def figures(self) -> dict[str, int]:
        return {
            "labels": self.labels,
            "items": self.items,
            "rows_added": self.added,
            "rows_overruled": self.overruled,
            "items_with_conflicting_labels": self.conflicts,
        }

    def write(self, folder: Path) -> None:
        """Write a line per label; the labels of an item stand together, the winner first."""
        with (folder / REPORT).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_COLUMNS)
            writer.writerows(self.lines)


def by_item(labels: Iterable[Label]) -> dict[str, list[Label]]:
    """Return each item's labels, the winner first, and the items in the order of their first label's arrival.

    The order of the argument does not matter.
    """
    arrived = sorted(labels, key=lambda label: (label.file, label.index))
    items: dict[str, list[Label]] = {}
    for label in arrived:
        if (name := label.identity) is not None:
            items.setdefault(name, []).append(label)
    return {name: sorted(labels_of, key=lambda label: label.rank, reverse=True) for name, labels_of in items.items()}


def merge(products: Sequence[Product], labels: Iterable[Label]) -> Merged:
    """Merge the labels into the products; the order of the labels does not matter."""
    items = by_item(labels)
    in_source: dict[str, list[Product]] = {name: [] for name in items}
    rows: list[Product] = []
    overruled = 0
    for product in products:
        name = identity(product.title, product.description, product.picture) if items else None
        if name is not None and name in items:
            in_source[name].append(product)
            code = items[name][0].code
            overruled += code != product.category
            product = replace(product, category=code)
        rows.append(product)
    next_row = max((product.row for product in products), default=-1) + 1
    lines: list[tuple[object, ...]] = []
    added = 0
    for name, ranked in items.items():
        if found := in_source[name]:
            row = found[0]
        else:
            row = _row(next_row + added, name, ranked[0])
            rows.append(row)
            added += 1
        source_code = found[0].category if found else ""
        lines += [
            (name, row.row, row.id, label.code, disarmed(label.by), label.at.isoformat(), label.kind or "",
             "yes" if label is ranked[0] else "no", source_code, label.file.removesuffix(".ndjson"))
            for label in ranked
        ]  # fmt: skip
    return Merged(
        products=rows,
        labels=sum(map(len, items.values())),
        items=len(items),
        added=added,
        overruled=overruled,
        conflicts=sum(len({label.code for label in ranked}) > 1 for ranked in items.values()),
        lines=lines,
    )


def following(labels: Iterable[Label], taxonomy: Taxonomy) -> Iterator[Label]:
    """Yield the labels under today's codes, without those that name no category that items are labelled with.

    A label of a category that was merged into another follows it.
    """
    leaves = {leaf.code for leaf in taxonomy.leaves}
    for label in labels:
        code = taxonomy.successor(label.code)
        if code in leaves:
            yield label if code == label.code else replace(label, code=code)


def readable(store: LabelStore) -> Iterator[Label]:
    """Yield all labels, without a picture where it cannot be decoded."""
    usable: dict[str, bool] = {}
    for label in store.labels():
        picture = label.picture
        if picture is not None and picture not in usable:
            usable[picture] = _can_be_decoded(store.picture(picture))
        yield label if picture is None or usable[picture] else replace(label, picture=None)


def copy_pictures(merged: Merged, store: LabelStore, pictures: PictureWriter) -> None:
    """Copy the pictures of the added rows from the store of labels."""
    for product in merged.products[len(merged.products) - merged.added :]:
        if product.picture is not None:
            pictures.add(Picture(product.picture, store.picture(product.picture)))


def _can_be_decoded(data: bytes) -> bool:
    """Decode as the later stages do: a picture that passes here cannot stop them."""
    try:
        decode(data)
    except UnreadableImageError:
        return False
    return True


def _row(number: int, name: str, label: Label) -> Product:
    """Make a row of a label; its number is this import's, its id stays the same from import to import."""
    return Product(number, f"label-{name[:16]}", label.title, label.description, label.code, label.picture)
