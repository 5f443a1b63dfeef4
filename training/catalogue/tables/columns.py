"""Which column of a table holds what: as params.yaml says, or guessed by its name in French or English."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.catalogue.errors import CatalogueError

FIELDS = ("id", "title", "description", "picture", "category")

_SYNONYMS = {
    "id": (
        "id", "sku", "product id", "item id", "article id", "id produit", "id article", "identifiant", "identifier",
        "product code", "code produit", "code article", "reference", "reference produit", "ref", "handle", "asin",
        "gtin", "ean", "upc", "isbn",
    ),
    "title": (
        "title", "titre", "product title", "titre produit", "titre du produit", "designation", "libelle",
        "libelle produit", "name", "nom", "product name", "item name", "nom produit", "nom du produit",
        "nom de l article", "intitule", "product", "produit", "article",
    ),
    "description": (
        "description", "product description", "description produit", "description du produit", "long description",
        "description longue", "descriptif", "desc", "body html", "body", "details", "text", "texte",
        "short description", "description courte",
    ),
    "picture": (
        "picture", "image", "photo", "image url", "url image", "image link", "lien image", "picture url", "photo url",
        "url photo", "url de l image", "image src", "image file", "fichier image", "image name", "nom image",
        "main image", "image principale", "visuel", "pictures", "images", "photos", "image 1", "image1",
        "photo 1", "img",
    ),
    "category": (
        "category", "categorie", "category code", "code categorie", "category id", "id categorie", "category path",
        "chemin categorie", "product category", "categorie produit", "categorie du produit", "category name",
        "nom categorie", "categories", "prdtypecode", "product type", "type de produit", "type produit", "rayon",
        "famille", "famille produit", "classe", "class", "label", "code", "google product category",
    ),
}  # fmt: skip
"""Names of columns without accents and signs, the surest first."""
_LANGUAGES = ("fr", "en", "fr fr", "en gb", "en us")
"""What may follow such a name."""
_SHOWN = 20
"""Names of columns that a message shows."""


@dataclass(frozen=True)
class FoundColumns:
    """The columns of a table in which its products are described."""

    heading: tuple[str, ...]
    places: Mapping[str, int]
    """The places of the columns, from 0, by what they hold."""
    guessed: frozenset[str]
    """What was found by the name of its column alone."""

    def __str__(self) -> str:
        held = [
            f"{field} in {self.heading[place]!r}{' (guessed)' if field in self.guessed else ''}"
            for field, place in self.places.items()
        ]
        others = [name for place, name in enumerate(self.heading) if place not in self.places.values()]
        return f"{', '.join(held)}; not used: {_listed(others) or 'none'}"


def find_columns(heading: Sequence[str], named: Mapping[str, str | None]) -> FoundColumns:
    """Find the columns of a table.

    Args:
        named: Names of columns by what they hold, without regard to case and accents; an empty name says that the
            table has none, `None` has it guessed.

    Raises:
        CatalogueError: A named column is missing or occurs twice; none is known to hold the category, or none to hold
            title, description or picture.
    """
    names = [_plain(name) for name in heading]
    places = {field: _named(column, field, names, heading) for field, column in named.items() if column}
    guessed = set[str]()
    for field in FIELDS:
        if named.get(field) is None and (place := _guess(field, names, {*places.values()})) is not None:
            places[field] = place
            guessed.add(field)
    for needed in (("category",), ("title", "description", "picture")):
        if places.keys().isdisjoint(needed):
            raise CatalogueError(
                f"no column is known to hold the {' or the '.join(needed)}: the table has {_listed(heading)}. "
                f"Call the column {needed[0]}, or name it in params.yaml as import_data.columns.{needed[0]}."
            )
    return FoundColumns(
        tuple(heading), {field: places[field] for field in FIELDS if field in places}, frozenset(guessed)
    )


def _named(column: str, field: str, names: Sequence[str], heading: Sequence[str]) -> int:
    exact = [place for place, name in enumerate(heading) if name.strip() == column.strip()]
    found = exact or [place for place, name in enumerate(names) if name == _plain(column)]
    if len(found) == 1:
        return found[0]
    fault = f"occurs {len(found)} times" if found else "is missing"
    raise CatalogueError(
        f"the column {column!r}, which import_data.columns.{field} names, {fault}: the table has {_listed(heading)}."
    )


def _guess(field: str, names: Sequence[str], taken: set[int]) -> int | None:
    """Return the place of the column that has the surest name of all; the first one where two have it."""
    for endings in (("",), tuple(f" {language}" for language in _LANGUAGES)):
        for synonym in _SYNONYMS[field]:
            for place, name in enumerate(names):
                if place not in taken and any(name == synonym + ending for ending in endings):
                    return place
    return None


def _plain(name: str) -> str:
    """Return the name in lower case, without accents, and with single blanks instead of signs."""
    apart = unicodedata.normalize("NFKD", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).casefold()
    letters = "".join(letter for letter in apart if not unicodedata.combining(letter))
    return re.sub(r"[\W_]+", " ", letters).strip()


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(repr(name[:100]) for name in names[:_SHOWN]) + more
