"""A catalogue of one table, with its categories and its pictures beside it."""

import logging
from collections.abc import Sequence
from functools import cached_property

from catalog_client.tables import picture_of
from shared.pipeline.params import ColumnParams, without_password
from shared.pipeline.stages import FETCHED
from shared.taxonomy import Taxonomy, TaxonomyError
from training.catalogue import places
from training.catalogue.entries import Entry, Marks, product_marks
from training.catalogue.errors import CatalogueError
from training.catalogue.fetched import FetchedPictures, mark_of
from training.catalogue.places import PlaceError
from training.catalogue.tables.categories import CategoriesFile, find_categories
from training.catalogue.tables.label_tree import tree_of
from training.catalogue.tables.pictures import PictureFiles
from training.catalogue.tables.rows import TableRows, read_rows

log = logging.getLogger(__name__)


class TableSource:
    """One table of products.

    Args:
        folder: The path or URL of the table's folder.
        name: The table's name in it.
        taxonomy: The file that describes the categories, if it does not lie beside the table.
        pictures: The folder or zip of its pictures, if it is not the table's folder.
        columns: Names of the table's columns.

    Raises:
        CatalogueError: The folder cannot be opened.
    """

    advice = "docs/training.md says what a table of products, its categories and its pictures look like."

    def __init__(
        self,
        folder: str,
        name: str,
        *,
        taxonomy: str | None = None,
        pictures: str | None = None,
        columns: ColumnParams | None = None,
    ) -> None:
        self._name = name
        self._table = name.partition("?")[0]
        """The name as it may be shown."""
        self.shown = f"{without_password(folder).rstrip('/')}/{self._table}"
        self._taxonomy, self._pictures = taxonomy, pictures
        self._columns = (columns or ColumnParams()).model_dump()
        self._fetched = FetchedPictures(FETCHED)
        try:
            self._folder = places.folder(folder)
        except PlaceError as error:
            raise CatalogueError(f"The source {self.shown} cannot be opened: {error}. Name a table's path.") from error

    def entries(self) -> Sequence[Entry]:
        """Read the table, and look for the files of its pictures; says in the log what was found."""
        rows = self._rows()
        log.info("%s is %s. Its columns: %s.", self._table, rows.form, rows.columns)
        if rows.columns.guessed:
            log.info("Where a guess is wrong, name the column in params.yaml (import_data.columns).")
        if any(entry.picture is not None and _is_file(entry.picture) for entry in rows.entries):
            _ = self._files  # before the threads that read them
        return rows.entries

    def taxonomy(self, entries: Sequence[Entry]) -> Taxonomy:
        """Return the categories; says in the log where they come from."""
        if (file := self._categories()) is not None:
            taxonomy = file.read()
            log.info("%s has %s.", file.name, _counted(taxonomy))
            return taxonomy
        try:
            tree = tree_of(entry.label for entry in entries)
        except TaxonomyError as error:
            raise CatalogueError(
                f"The labels of {self._table} make no list of categories: {error.faults[0].problem}. Name another "
                "column (import_data.columns.category in params.yaml), or describe the categories in taxonomy.csv."
            ) from error
        log.info("The labels make %s: there is no taxonomy.csv beside the table.", _counted(tree.taxonomy))
        if tree.respelled:
            log.info("%d labels differ from others in case or blanks alone, and count as these.", tree.respelled)
        return tree.taxonomy

    def picture(self, name: str) -> bytes:
        """Return a picture's bytes, from a file or a URL."""
        if not _is_file(name):
            return self._fetched.read(name)
        try:
            return self._files.find(name).read()
        except PlaceError as error:
            raise _unreadable("A picture", self._shown_pictures, error) from error

    def marks(self) -> dict[str, Marks]:
        """Return the table and the file of categories by their content, products, and pictures that can be found.

        A picture by URL counts as unchanged: it is fetched once.
        """
        tables = {self._table: "missing"}
        if (file := self._categories()) is not None:
            tables[file.name] = places.content_mark(file.data)
        try:
            with self._folder.open(self._name) as table:
                tables[self._table] = places.mark_of_file(table)
        except FileNotFoundError:
            return {"tables": tables, "products": {}, "pictures": {}}
        except PlaceError as error:
            raise _unreadable(self._table, self.shown, error) from error
        try:
            entries = self._rows().entries
        except CatalogueError:
            return {"tables": tables, "products": {}, "pictures": {}}
        return {"tables": tables, "products": product_marks(entries), "pictures": self._picture_marks(entries)}

    def _picture_marks(self, entries: Sequence[Entry]) -> Marks:
        names = dict.fromkeys(entry.picture for entry in entries if entry.picture is not None)
        marks = {mark_of(name): "by URL" for name in names if not _is_file(name)}
        files = [name for name in names if _is_file(name)]
        try:
            return marks | (self._files.marks(files) if files else {})
        except PlaceError as error:
            raise _unreadable("A picture", self._shown_pictures, error) from error

    def _rows(self) -> TableRows:
        try:
            with self._folder.open(self._name) as file:
                return read_rows(file, self._table, self._columns)
        except FileNotFoundError:
            raise CatalogueError(f"There is no table {self.shown}. {self.advice}") from None
        except PlaceError as error:
            raise _unreadable(self._table, self.shown, error) from error

    @property
    def _shown_pictures(self) -> str:
        return self.shown if self._pictures is None else without_password(self._pictures)

    def _categories(self) -> CategoriesFile | None:
        return find_categories(self._folder, self._taxonomy)

    @cached_property
    def _files(self) -> PictureFiles:
        place = self._pictures
        try:
            if place is None:
                zips = [name for name in self._folder.names() if name.lower().endswith(".zip")]
                return PictureFiles(self._folder, zips)
            if place.partition("?")[0].lower().endswith(".zip"):
                folder, name = places.parted(place)
                return PictureFiles(places.folder(folder), [name], loose=False)
            return PictureFiles(places.folder(place), [])
        except PlaceError as error:
            raise _unreadable("The pictures", self._shown_pictures, error) from error


def _unreadable(what: str, where: str, error: PlaceError) -> CatalogueError:
    hint = "Check that it is there, your access to it and the connection; then run again."
    return CatalogueError(f"{what} in {where} cannot be read: {error}. {hint}")


def _is_file(picture: str) -> bool:
    return "file" in picture_of(picture)


def _counted(taxonomy: Taxonomy) -> str:
    above = len(taxonomy.categories) - len(taxonomy.leaves)
    return f"{len(taxonomy.leaves):,} categories that items are labelled with, and {above:,} above them or out of use"
