"""The challenge's files: their names, and how to read them from a folder or URL."""

import csv
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper

from shared.pipeline.params import without_password
from training.catalogue import places
from training.catalogue.places import PlaceError

PRODUCTS_FILE = "X_train_update.csv"
LABELS_FILE = "Y_train_CVw08PX.csv"
UNLABELLED_FILE = "X_test_update.csv"
PICTURES_FOLDER = "images/image_train"
UNLABELLED_PICTURES_FOLDER = "images/image_test"
LAYOUT = f"The source must hold {PRODUCTS_FILE}, {LABELS_FILE} and {PICTURES_FOLDER}/ as the challenge publishes them."


class CatalogueError(ValueError):
    """The source cannot be imported; the message says what is wrong, where, and what to do."""


def picture_name(imageid: int | str, productid: int | str) -> str:
    """Return the name of a product's picture in its folder."""
    return f"image_{imageid}_product_{productid}.jpg"


class Source:
    """A folder that fsspec can open: local, or a URL such as s3://bucket/folder.

    Raises `CatalogueError` if the URL's protocol is unknown or its package is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = without_password(url)
        """Address as it may be shown."""
        try:
            self._read = places.folder(url)
        except PlaceError as error:
            message = f"The source {self.url} cannot be opened: {error}. Name a folder or fsspec URL."
            raise CatalogueError(message) from error

    def read(self, name: str) -> bytes:
        """Return a file's bytes; raise `FileNotFoundError` if it is absent, `CatalogueError` if it cannot be read."""
        try:
            return self._read(name)
        except PlaceError as error:
            hint = "Check that it is a file, your access to it and the connection; then run again."
            raise CatalogueError(f"{name} in {self.url} cannot be read: {error}. {hint}") from error

    def read_table(self, name: str, columns: tuple[str, ...]) -> dict[int, list[str]]:
        """Return the cells of `columns` by row number (the CSV file's first, unnamed column), in the file's order.

        Raises `CatalogueError` if the file or a column is missing, a line is malformed or a row number repeats.
        """
        lines = None
        try:
            lines = csv.reader(TextIOWrapper(BytesIO(self.read(name)), "utf-8", newline=""), strict=True)
            return _parse_table(name, lines, columns)
        except FileNotFoundError:
            raise CatalogueError(f"{name} is missing in {self.url}. {LAYOUT}") from None
        except (csv.Error, UnicodeDecodeError) as error:
            fault = "bytes that are not UTF-8" if isinstance(error, UnicodeDecodeError) else "a misplaced quote or NUL"
            where = f"after line {lines.line_num}" if lines is not None else "at its beginning"
            raise CatalogueError(f"{name} is not a UTF-8 CSV file: {fault} {where}. Download it again.") from error


def parse_integer(text: str, where: str) -> int:
    """Return a whole number that fits an int64; raise `CatalogueError`, whose message begins with `where`.

    The text is not quoted: messages of this stage show nothing of what was read (`training.catalogue.places`).
    """
    if text.isascii() and text.isdigit() and len(text) <= 18:  # always fits an int64
        return int(text)
    raise CatalogueError(f"{where}: this is not a whole number of at most 18 digits. Correct it.")


def _parse_table(name: str, lines: Iterator[list[str]], columns: tuple[str, ...]) -> dict[int, list[str]]:
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
