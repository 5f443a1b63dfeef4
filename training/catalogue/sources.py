"""Opens a catalogue, whatever its form."""

from shared.pipeline.params import ColumnParams, ImportParams, without_password
from training.catalogue import places
from training.catalogue.challenge import LABELS_FILE, PRODUCTS_FILE, ChallengeSource
from training.catalogue.entries import CatalogueSource
from training.catalogue.errors import CatalogueError
from training.catalogue.places import PlaceError
from training.catalogue.tables import NAMES, TableSource, is_table


def open_source(
    place: str, *, taxonomy: str | None = None, pictures: str | None = None, columns: ColumnParams | None = None
) -> CatalogueSource:
    """Open a table, a folder with one table, or a folder with the challenge's files.

    Args:
        place: A path or URL. A web server lists no folder: name the table there.
        taxonomy: The file that describes the categories, if it does not lie beside the products.
        pictures: The folder or zip of a table's pictures, if it is not the table's folder.
        columns: Names of a table's columns.

    Raises:
        CatalogueError: The place cannot be opened, or its folder has several tables.
    """
    folder, table = places.parted(place)
    if not is_table(table):
        found = _table_in(place, taxonomy)
        if found is None:
            return ChallengeSource(place, taxonomy)
        folder, table = place, found
    return TableSource(folder, table, taxonomy=taxonomy, pictures=pictures, columns=columns)


def configured(params: ImportParams) -> CatalogueSource | None:
    """Open what params.yaml names; `None` if it names no source. Raises as `open_source` does."""
    if params.source is None:
        return None
    return open_source(params.source, taxonomy=params.taxonomy, pictures=params.pictures, columns=params.columns)


def _table_in(place: str, taxonomy: str | None) -> str | None:
    """Return the name of the one table in a folder; `None` if it has the challenge's files, or no table."""
    shown = without_password(place)
    try:
        names = places.folder(place).names()
    except PlaceError as error:
        raise CatalogueError(
            f"The source {shown} cannot be opened: {error}. Name a folder, a table, or an fsspec URL of one."
        ) from error
    if not {PRODUCTS_FILE, LABELS_FILE}.isdisjoint(names):
        return None
    others = {*NAMES, "" if taxonomy is None else places.parted(taxonomy)[1].lower()}
    tables = [
        name for name in names if is_table(name) and not name.startswith((".", "~$")) and name.lower() not in others
    ]
    if len(tables) > 1:
        raise CatalogueError(
            f"{shown} holds {len(tables)} tables, such as {tables[0]} and {tables[1]}: name one as import_data.source."
        )
    return tables[0] if tables else None
