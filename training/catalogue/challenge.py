"""The challenge's files: their names, and how to read them from a folder or URL."""

import csv
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper

from fsspec.core import url_to_fs

PRODUCTS_FILE = "X_train_update.csv"
LABELS_FILE = "Y_train_CVw08PX.csv"
UNLABELLED_FILE = "X_test_update.csv"
PICTURES_FOLDER = "images/image_train"
UNLABELLED_PICTURES_FOLDER = "images/image_test"
LAYOUT = f"The source must hold {PRODUCTS_FILE}, {LABELS_FILE} and {PICTURES_FOLDER}/ as the challenge publishes them."


class CatalogueError(ValueError):
    """The source cannot be imported; the message says what is wrong, where, and what to do."""


def picture_name(imageid: int, productid: int) -> str:
    """Return the name of a product's picture in its folder."""
    return f"image_{imageid}_product_{productid}.jpg"


class Source:
    """A folder that fsspec can open: local, or a URL such as s3://bucket/folder.

    Raises `CatalogueError` if the URL's protocol is unknown or its package is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._files, root = url_to_fs(url)
        except (ValueError, ImportError, OSError) as error:
            raise CatalogueError(f"The source {url} cannot be opened: {error}. Name a folder or fsspec URL.") from error
        self._root = root.rstrip("/")

    def read(self, name: str) -> bytes:
        """Return a file's bytes; raise `FileNotFoundError` if it is absent, `CatalogueError` if it cannot be read."""
        try:
            data: bytes = self._files.cat_file(f"{self._root}/{name}")
        except FileNotFoundError:
            raise
        except Exception as error:  # every backend of fsspec has its own
            hint = "Check that it is a file, your access to it and the connection; then run again."
            raise CatalogueError(f"{name} in {self.url} cannot be read: {error!r}. {hint}") from error
        return data

    def read_table(self, name: str, columns: tuple[str, ...]) -> dict[int, list[str]]:
        """Return the cells of `columns` by row number (the CSV file's first, unnamed column), in the file's order.

        Raises `CatalogueError` if the file or a column is missing, a line is malformed or a row number repeats.
        """
        try:
            text = TextIOWrapper(BytesIO(self.read(name)), "utf-8", newline="")
            return _parse_table(name, csv.reader(text, strict=True), columns)
        except FileNotFoundError:
            raise CatalogueError(f"{name} is missing in {self.url}. {LAYOUT}") from None
        except (csv.Error, UnicodeDecodeError) as error:
            raise CatalogueError(f"{name} is not a UTF-8 CSV file: {error}. Download it again.") from error


def parse_integer(text: str, where: str) -> int:
    """Return a whole number that fits an int64; raise `CatalogueError`, whose message begins with `where`."""
    if text.isascii() and text.isdigit() and len(text) <= 18:  # always fits an int64
        return int(text)
    raise CatalogueError(f"{where}: {text!r} is not a whole number. Correct it.")


def _parse_table(name: str, lines: Iterator[list[str]], columns: tuple[str, ...]) -> dict[int, list[str]]:
    header = next(lines, [])
    for column in columns:
        if column not in header[1:]:
            columns_read = ", ".join(header) or "nothing"
            raise CatalogueError(f"{name} has no column {column} after the row number; it has {columns_read}. {LAYOUT}")
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
