"""What a source says of each product, before its label and its picture are looked up."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from shared.taxonomy import Taxonomy

Marks = dict[str, str]
"""Marks by name; a mark changes when the thing does."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a source; an absent text is `None`."""

    row: int
    """Its number or line in the source, by which people find it."""
    id: str
    title: str | None
    description: str | None
    label: str
    """The category's code or name as somebody has written it; empty if there is none."""
    picture: str | None
    """A file's name, or a URL or several; `None` if it has no picture."""


class CatalogueSource(Protocol):
    """A catalogue somewhere. Each method raises `CatalogueError` for what cannot be read."""

    shown: str
    """Its address as it may be shown."""
    advice: str
    """What the source must hold, for messages."""

    def entries(self) -> Sequence[Entry]:
        """Return the rows, in the source's order."""

    def taxonomy(self, entries: Sequence[Entry]) -> Taxonomy:
        """Return the categories: those of a file beside the products, or else what the entries' labels make."""

    def picture(self, name: str) -> bytes:
        """Return the picture that an entry names; several threads may ask at once.

        Raises:
            FileNotFoundError: There is none; the message says where it was sought.
            UnreadableImageError: It is too large, or what packs it is damaged.
        """

    def marks(self) -> dict[str, Marks]:
        """Return what an import reads, by kind: `tables`, `products` and `pictures`.

        What is missing or malformed is left to the import, which tells what is wrong with it.
        """


def product_marks(entries: Sequence[Entry]) -> Marks:
    """Return a mark of each product's row, by the product's id; copies have one mark together."""
    products = Marks()
    for entry in entries:
        content = json.dumps([products.get(entry.id), entry.title, entry.description, entry.label, entry.picture])
        products[entry.id] = blake2b(content.encode(errors="surrogatepass"), digest_size=8).hexdigest()
    return products
