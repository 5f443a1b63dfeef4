"""The pictures of a catalogue in one Parquet file: `sha256` (string), `bytes` (binary), one row per distinct picture.

Reading and writing stream, so that memory is bounded by a row group and not by the catalogue.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 256  # pictures
SCHEMA = pa.schema([pa.field("sha256", pa.string(), nullable=False), pa.field("bytes", pa.binary(), nullable=False)])


class Picture(NamedTuple):
    """A picture's encoded bytes, and the hex digest that names them."""

    sha256: str
    data: bytes


class PictureWriter:
    """Writes pictures in the order they are added, each distinct one once; a context manager."""

    def __init__(self, path: Path) -> None:
        # JPEGs do not shrink further and hardly repeat, so neither compression nor a dictionary would help.
        self._file = pq.ParquetWriter(path, SCHEMA, compression="none", use_dictionary=False)
        self._seen: set[str] = set()
        self._pending: list[Picture] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._flush()
        self._file.close()

    @property
    def count(self) -> int:
        """The number of distinct pictures added so far."""
        return len(self._seen)

    def add(self, picture: Picture) -> None:
        """Append the picture, unless the same bytes were added before."""
        if picture.sha256 in self._seen:
            return
        self._seen.add(picture.sha256)
        self._pending.append(picture)
        if len(self._pending) == ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._file.write_table(pa.table(list(zip(*self._pending, strict=True)), schema=SCHEMA))
            self._pending.clear()


def iter_pictures(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each picture's sha256 and encoded bytes in the file's order, at most `ROW_GROUP` of them in memory.

    Raises `FileNotFoundError` if there is no such file.
    """
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROW_GROUP):
            yield from zip(batch["sha256"].to_pylist(), batch["bytes"].to_pylist(), strict=True)
