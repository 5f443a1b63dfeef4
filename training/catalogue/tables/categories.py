"""Reads a taxonomy from a file: `taxonomy.csv`, `.tsv`, `.xlsx` or `.json`."""

from contextlib import suppress
from io import BytesIO
from itertools import islice
from typing import NamedTuple

from catalog_client.tables import NDJSON, MalformedTableError, open_table
from shared.pipeline.params import without_password
from shared.taxonomy import Taxonomy, TaxonomyError, read
from shared.taxonomy.reading import MOST_CATEGORIES
from shared.taxonomy.writing import from_json
from training.catalogue.errors import CatalogueError
from training.catalogue.places import Folder, PlaceError
from training.catalogue.places import read as read_place

NAMES = ("taxonomy.csv", "taxonomy.tsv", "taxonomy.xlsx", "taxonomy.json")
"""Names of the files that describe the categories, in lower case."""
LARGEST = 256 * 1024**2
"""Bytes."""


def read_categories(data: bytes, name: str) -> Taxonomy:
    """Return the taxonomy in a file's content.

    Columns without a name are left out.

    Args:
        name: The file's name, whose suffix tells its form, for messages too.

    Raises:
        CatalogueError: The file is too large, malformed, or no taxonomy; every fault is named by its line.
    """
    if len(data) > LARGEST:
        raise CatalogueError(f"The taxonomy {name} has over {LARGEST:,} bytes, as no list of categories should.")
    try:
        return from_json(data) if name.lower().endswith(".json") else _table(data, name)
    except TaxonomyError as error:
        raise CatalogueError(f"The taxonomy {name} cannot be used: {error}. docs/training.md describes it.") from error
    except MalformedTableError as error:
        raise CatalogueError(f"The taxonomy {name} cannot be read: {error}. Correct it, or save it again.") from error


def _table(data: bytes, name: str) -> Taxonomy:
    heading: list[str] = []

    def begin(names: list[str], _: int) -> None:
        heading.extend(names)

    with open_table(BytesIO(data), name) as table:
        if table.format == NDJSON:
            raise MalformedTableError("it holds JSON objects: name it .json, or save it as CSV")
        rows = list(islice(table.rows(begin), MOST_CATEGORIES + 1))
    columns = [column for column in heading if column]
    return read(columns, ((line, dict(zip(heading, cells, strict=False))) for line, cells in rows))


class CategoriesFile(NamedTuple):
    """A file that describes categories: its name, and its content."""

    name: str
    data: bytes

    def read(self) -> Taxonomy:
        """Return the taxonomy; raises `CatalogueError` as `read_categories` does."""
        return read_categories(self.data, self.name)


def find_categories(folder: Folder, named: str | None) -> CategoriesFile | None:
    """Return the file that describes the categories of a source; `None` if there is none.

    Args:
        folder: The products' folder, in which one of `NAMES` is looked for.
        named: A path or URL that goes before it.

    Raises:
        CatalogueError: The named file is missing or cannot be read, or the folder has two.
    """
    if named is not None:
        return _named_file(named)
    try:
        if folder.is_listed:
            found = [name for name in folder.names() if name.lower() in NAMES]
            if len(found) > 1:
                raise CatalogueError(f"Both {found[0]} and {found[1]} lie beside the products: leave one of them.")
            return CategoriesFile(found[0], folder.read(found[0])) if found else None
        for name in NAMES:
            with suppress(FileNotFoundError):
                return CategoriesFile(name, folder.read(name))
    except PlaceError as error:
        raise CatalogueError(f"The file of categories beside the products cannot be read: {error}.") from error
    return None


def _named_file(place: str) -> CategoriesFile:
    shown = without_password(place)
    advice = "import_data.taxonomy in params.yaml names it: a file's path or URL."
    try:
        return CategoriesFile(shown.rpartition("/")[2], read_place(place))
    except FileNotFoundError:
        raise CatalogueError(f"There is no file {shown}. {advice}") from None
    except PlaceError as error:
        raise CatalogueError(f"{shown} cannot be read: {error}. {advice}") from error
