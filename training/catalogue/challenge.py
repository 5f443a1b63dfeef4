"""The challenge's files: their names, and how to read them from a folder or URL."""

import csv
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from io import BytesIO, TextIOWrapper

from shared.pipeline.params import without_password
from shared.taxonomy import RAKUTEN, Taxonomy
from training.catalogue import places
from training.catalogue.entries import Entry, Marks, product_marks
from training.catalogue.errors import CatalogueError
from training.catalogue.places import PlaceError, content_mark
from training.catalogue.tables import find_categories

PRODUCTS_FILE = "X_train_update.csv"
LABELS_FILE = "Y_train_CVw08PX.csv"
UNLABELLED_FILE = "X_test_update.csv"
PICTURES_FOLDER = "images/image_train"
UNLABELLED_PICTURES_FOLDER = "images/image_test"
LAYOUT = (
    f"The source must hold {PRODUCTS_FILE}, {LABELS_FILE} and {PICTURES_FOLDER}/ as the challenge publishes them, or "
    "one table of products (docs/training.md)."
)
_TEXTS = ("designation", "description", "productid", "imageid")
_LABELS = ("prdtypecode",)


def picture_name(imageid: int | str, productid: int | str) -> str:
    """Return the name of a product's picture in its folder."""
    return f"image_{imageid}_product_{productid}.jpg"


def picture_file(imageid: int | str, productid: int | str) -> str:
    """Return the picture's path relative to the source."""
    return f"{PICTURES_FOLDER}/{picture_name(imageid, productid)}"


class Source:
    """A folder that fsspec can open: local, or a URL such as s3://bucket/folder.

    Raises `CatalogueError` if the URL's protocol is unknown or its package is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = without_password(url)
        """Address as it may be shown."""
        try:
            self.folder = places.folder(url)
        except PlaceError as error:
            message = f"The source {self.url} cannot be opened: {error}. Name a folder or fsspec URL."
            raise CatalogueError(message) from error

    def read(self, name: str) -> bytes:
        """Return a file's bytes; raise `FileNotFoundError` if it is absent, `CatalogueError` if it cannot be read."""
        try:
            return self.folder.read(name)
        except PlaceError as error:
            raise self._unreadable(name, error) from error

    def picture_marks(self, names: Collection[str]) -> dict[str, str]:
        """Return a mark of each of these pictures that is there (`training.catalogue.places.Folder.marks`).

        Raises `CatalogueError` if the pictures cannot be listed.
        """
        try:
            return self.folder.marks(PICTURES_FOLDER, names)
        except PlaceError as error:
            raise self._unreadable(PICTURES_FOLDER, error) from error

    def read_table(self, name: str, columns: tuple[str, ...]) -> dict[int, list[str]]:
        """Return the cells of `columns` by row number (the CSV file's first, unnamed column), in the file's order.

        Raises `CatalogueError` if the file or a column is missing, a line is malformed or a row number repeats.
        """
        try:
            content = self.read(name)
        except FileNotFoundError:
            raise CatalogueError(f"{name} is missing in {self.url}. {LAYOUT}") from None
        return parse_table(name, content, columns)

    def _unreadable(self, name: str, error: PlaceError) -> CatalogueError:
        hint = "Check that it is there, your access to it and the connection; then run again."
        return CatalogueError(f"{name} in {self.url} cannot be read: {error}. {hint}")


class ChallengeSource:
    """The challenge's training files in a folder.

    Args:
        place: The folder's path or URL.
        taxonomy: The file that describes the categories, if it does not lie beside the products. Without any the
            categories are Rakuten's.

    Raises:
        CatalogueError: The folder cannot be opened.
    """

    advice = LAYOUT

    def __init__(self, place: str, taxonomy: str | None = None) -> None:
        self._source = Source(place)
        self._taxonomy = taxonomy
        self.shown = self._source.url

    def entries(self) -> Sequence[Entry]:
        """Read both tables; a product is called by its productid."""
        texts = self._source.read_table(PRODUCTS_FILE, _TEXTS)
        labels = self._source.read_table(LABELS_FILE, _LABELS)
        if strays := sorted(labels.keys() - texts.keys()):
            raise CatalogueError(
                f"{LABELS_FILE} labels {len(strays)} rows that {PRODUCTS_FILE} does not have, first row {strays[0]}. "
                "Take both files from the same download."
            )
        return list(_entries(texts, labels))

    def taxonomy(self, entries: Sequence[Entry]) -> Taxonomy:  # tables make it of their entries
        """Return the categories in the file beside the products, or Rakuten's."""
        file = find_categories(self._source.folder, self._taxonomy)
        return RAKUTEN if file is None else file.read()

    def picture(self, name: str) -> bytes:
        try:
            return self._source.read(name)
        except FileNotFoundError:
            raise FileNotFoundError(name) from None

    def marks(self) -> dict[str, Marks]:
        tables: dict[str, bytes] = {}
        # A source without tables is not the same as no source.
        marks = dict.fromkeys((PRODUCTS_FILE, LABELS_FILE), "missing")
        for name in marks:
            with suppress(FileNotFoundError):
                tables[name] = self._source.read(name)
                marks[name] = content_mark(tables[name])
        if (file := find_categories(self._source.folder, self._taxonomy)) is not None:
            marks[file.name] = content_mark(file.data)
        try:
            entries = list(
                _entries(
                    parse_table(PRODUCTS_FILE, tables.get(PRODUCTS_FILE, b""), _TEXTS),
                    parse_table(LABELS_FILE, tables.get(LABELS_FILE, b""), _LABELS),
                )
            )
        except CatalogueError:
            entries = []
        files = [(entry.picture or "").rpartition("/")[2] for entry in entries]
        return {"tables": marks, "products": product_marks(entries), "pictures": self._source.picture_marks(files)}


def _entries(texts: dict[int, list[str]], labels: dict[int, list[str]]) -> Iterator[Entry]:
    for row, (designation, description, productid, imageid) in texts.items():
        where = f"{PRODUCTS_FILE}, row {row}"
        product = parse_integer(productid, f"{where}, productid")
        yield Entry(
            row=row,
            id=str(product),
            title=designation if designation.strip() else None,
            description=description if description.strip() else None,
            label=labels.get(row, [""])[0].strip(),
            picture=picture_file(parse_integer(imageid, f"{where}, imageid"), product),
        )


def parse_integer(text: str, where: str) -> int:
    """Return a whole number that fits an int64; raise `CatalogueError`, whose message begins with `where`.

    The text is not quoted: messages of this stage show nothing of what was read (`training.catalogue.places`).
    """
    if text.isascii() and text.isdigit() and len(text) <= 18:  # always fits an int64
        return int(text)
    raise CatalogueError(f"{where}: this is not a whole number of at most 18 digits. Correct it.")


def parse_table(name: str, content: bytes, columns: tuple[str, ...]) -> dict[int, list[str]]:
    """Return what `Source.read_table` does of a table that has been read; raises the same."""
    lines = None
    try:
        lines = csv.reader(TextIOWrapper(BytesIO(content), "utf-8-sig", newline=""), strict=True)
        return _cells(name, lines, columns)
    except (csv.Error, UnicodeDecodeError) as error:
        fault = "bytes that are not UTF-8" if isinstance(error, UnicodeDecodeError) else "a misplaced quote or NUL"
        where = f"after line {lines.line_num}" if lines is not None else "at its beginning"
        raise CatalogueError(f"{name} is not a UTF-8 CSV file: {fault} {where}. Download it again.") from error


def _cells(name: str, lines: Iterator[list[str]], columns: tuple[str, ...]) -> dict[int, list[str]]:
    header = next(lines, [])
    for column in columns:
        if column not in header[1:]:
            found = f"the first line has {len(header)} cells" if header else "it is empty"
            raise CatalogueError(f"{name} has no column {column} after the row number; {found}. {LAYOUT}")
    positions = [header.index(column, 1) for column in columns]
    table: dict[int, list[str]] = {}
    for count, cells in enumerate(filter(None, lines), start=1):
        if len(cells) != len(header):
            raise CatalogueError(f"{name}, record {count}: {len(cells)} cells instead of {len(header)}. Correct it.")
        row = parse_integer(cells[0], f"{name}, record {count}, row number (the first column)")
        if row in table:
            raise CatalogueError(f"{name}, record {count}: row number {row} occurs twice. Number each row once.")
        table[row] = [cells[position] for position in positions]
    return table
