"""To look into a catalogue on disk, and to damage it."""

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pyarrow.parquet as pq

from training.catalogue.product import FindingReason
from training.import_data import ImportReport

X, Y, PICTURES = "X_train_update.csv", "Y_train_CVw08PX.csv", "images/image_train"
DESIGNATION, DESCRIPTION, PRODUCTID, IMAGEID = 1, 2, 3, 4  # columns of X

Table = list[list[str]]


def read(path: Path) -> Table:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def edit(path: Path, change: Callable[[Table], object]) -> None:
    """Change a CSV file; line 0 is the header, line n + 1 is row n."""
    table = read(path)
    change(table)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(table)


def picture_files(folder: Path) -> dict[int, Path]:
    """Where each row's picture is, or would be."""
    return {
        int(cells[0]): folder / PICTURES / f"image_{cells[IMAGEID]}_product_{cells[PRODUCTID]}.jpg"
        for cells in read(folder / X)[1:]
    }


def illustrated(folder: Path) -> list[int]:
    """The rows whose picture is there."""
    return [row for row, file in picture_files(folder).items() if file.exists()]


def products(output: Path) -> dict[int, dict[str, object]]:
    """The imported rows by number."""
    return {product["row"]: product for product in pq.read_table(output / "products.parquet").to_pylist()}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows_of(report: ImportReport, reason: FindingReason) -> list[int]:
    return [finding.row for finding in report.findings if finding.reason is reason]


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that the base class gives it
        """Say nothing."""

    def translate_path(self, path: str) -> str:
        """Like object stores, and unlike Python's server, take // for what it says."""
        return super().translate_path(path.replace("//", "/no-such-folder/"))


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """A web server for the folder, on a free port; yields its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
