"""Labels that people sent, merged into the catalogue: of an item's labels the later wins, over the source's too.

A label of an item that the source does not have becomes a row of its own. Every label is on record with what became of
it; no product's text is.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shared.model.images import UnreadableImageError, decode
from shared.stores.labels import Label, LabelStore, identity
from training.catalogue.pictures import Picture, PictureWriter
from training.catalogue.product import Product

REPORT = "labels.csv"
_COLUMNS = ("item", "row", "productid", "code", "by", "at", "kind", "won", "source_code", "request")


@dataclass(frozen=True)
class Merged:
    """A catalogue with what people said about it."""

    products: list[Product]
    labels: int
    items: int
    added: int
    """Items that the source does not have."""
    overruled: int
    """Rows of the source that got another code."""
    conflicts: int
    """Items whose labels contradict one another."""
    lines: list[tuple[object, ...]]
    """Of the report."""

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
        """A line per label, those of an item together, the winner first."""
        with (folder / REPORT).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_COLUMNS)
            writer.writerows(self.lines)


def by_item(labels: Iterable[Label]) -> dict[str, list[Label]]:
    """Each item's labels, the one that wins first; the items in the order of their first label's arrival.

    The order in which labels are given does not matter.
    """
    arrived = sorted(labels, key=lambda label: (label.file, label.index))
    items: dict[str, list[Label]] = {}
    for label in arrived:
        if (name := label.identity) is not None:
            items.setdefault(name, []).append(label)
    return {name: sorted(said, key=lambda label: label.rank, reverse=True) for name, said in items.items()}


def merge(products: Sequence[Product], labels: Iterable[Label]) -> Merged:
    """The same products and labels, in whatever order these come, give the same rows."""
    items = by_item(labels)
    in_source: dict[str, list[Product]] = {name: [] for name in items}
    rows: list[Product] = []
    overruled = 0
    for product in products:
        name = identity(product.designation, product.description, product.picture) if items else None
        if name is not None and name in items:
            in_source[name].append(product)
            code = items[name][0].code
            overruled += code != product.prdtypecode
            product = replace(product, prdtypecode=code)
        rows.append(product)
    next_row = max((product.row for product in products), default=-1) + 1
    lines: list[tuple[object, ...]] = []
    added = 0
    for name, said in items.items():
        if found := in_source[name]:
            row = found[0]
        else:
            row = _row(next_row + added, name, said[0])
            rows.append(row)
            added += 1
        source_code = found[0].prdtypecode if found else ""
        lines += [
            (name, row.row, row.productid, label.code, label.by, label.at.isoformat(), label.kind or "",
             "yes" if label is said[0] else "no", source_code, label.file.removesuffix(".ndjson"))
            for label in said
        ]  # fmt: skip
    return Merged(
        products=rows,
        labels=sum(map(len, items.values())),
        items=len(items),
        added=added,
        overruled=overruled,
        conflicts=sum(len({label.code for label in said}) > 1 for said in items.values()),
        lines=lines,
    )


def readable(store: LabelStore) -> Iterator[Label]:
    """All labels; those of a picture that cannot be decoded without it."""
    usable: dict[str, bool] = {}
    for label in store.labels():
        picture = label.picture
        if picture is not None and picture not in usable:
            usable[picture] = _can_be_decoded(store.picture(picture))
        yield label if picture is None or usable[picture] else replace(label, picture=None)


def copy_pictures(merged: Merged, store: LabelStore, pictures: PictureWriter) -> None:
    """Those of the rows that were added, from beside the labels."""
    for product in merged.products[len(merged.products) - merged.added :]:
        if product.picture is not None:
            pictures.add(Picture(product.picture, store.picture(product.picture)))


def _can_be_decoded(data: bytes) -> bool:
    """What the later stages do: a picture that passes here cannot stop them."""
    try:
        decode(data)
    except UnreadableImageError:
        return False
    return True


def _row(number: int, name: str, label: Label) -> Product:
    """The number is this import's; the id stays the item's own from import to import."""
    productid = int(name[:15], 16)
    return Product(number, label.title, label.description, productid, productid, label.code, label.picture)
