"""A taxonomy as rows of a table and as JSON, which `reading.read` and `from_json` read back."""

import hashlib
import json
from collections.abc import Iterator

from shared.taxonomy.categories import Category, Taxonomy
from shared.taxonomy.reading import TaxonomyError, read

TAXONOMY_FILE = "taxonomy.json"
"""Its name in imported and prepared data and in bundles."""
_PLAIN = ("google", "gs1")
"""The other taxonomies whose columns are called like them; the rest are `map:NAME`."""


def columns(taxonomy: Taxonomy) -> tuple[str, ...]:
    """Return the columns that its table needs."""
    categories = taxonomy.categories
    languages = sorted({language for category in categories for language in category.names})
    others = sorted({name for category in categories for name in category.elsewhere})
    optional = {
        "parent": any(category.parent for category in categories),
        "guideline": any(category.guideline for category in categories),
        "moved_to": any(category.moved_to for category in categories),
        "retired": any(category.retired for category in categories),
    }
    names = ("code", "name", *(f"name:{language}" for language in languages))
    return (*names, *(column for column, used in optional.items() if used), *map(_column, others))


def rows(taxonomy: Taxonomy) -> Iterator[dict[str, str]]:
    """Yield a row per category, without its empty cells."""
    for category in taxonomy.categories:
        yield {column: cell for column, cell in _cells(category).items() if cell}


def to_json(taxonomy: Taxonomy) -> str:
    """Return the taxonomy as `taxonomy.json` in bundles has it; equal taxonomies give equal texts."""
    return json.dumps({"categories": list(rows(taxonomy))}, ensure_ascii=False, indent=1) + "\n"


def digest(taxonomy: Taxonomy) -> str:
    """Return 16 hex digits that name the taxonomy's content."""
    return hashlib.sha256(to_json(taxonomy).encode()).hexdigest()[:16]


def from_json(text: str | bytes) -> Taxonomy:
    """Read what `to_json` wrote, or somebody wrote by hand in the same form.

    Raises:
        TaxonomyError: it is no JSON of this form, or its categories are wrong; a "line" counts categories from 1.
    """
    try:
        entries = json.loads(text)["categories"]
        if not all(isinstance(cell, str) for entry in entries for cell in entry.values()):
            raise TypeError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        message = 'this is not {"categories": [{"code": "...", "name": "...", ...}, ...]} with texts as values'
        raise TaxonomyError.about(message) from None
    names = dict.fromkeys(name for entry in entries for name in entry)
    table = ({"code": "", "name": "", **entry} for entry in entries)
    return read(tuple(dict.fromkeys(("code", "name", *names))), enumerate(table, 1))


def _column(other: str) -> str:
    return other if other in _PLAIN else f"map:{other}"


def _cells(category: Category) -> dict[str, str]:
    return {
        "code": category.code,
        "name": category.name,
        **{f"name:{language}": name for language, name in sorted(category.names.items())},
        "parent": category.parent or "",
        "guideline": category.guideline or "",
        "moved_to": category.moved_to or "",
        "retired": "yes" if category.retired else "",
        **{_column(other): code for other, code in sorted(category.elsewhere.items())},
    }
