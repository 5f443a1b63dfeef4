"""Results as a Parquet file. Arrow is imported at the first request for one."""

from collections.abc import Iterable, Iterator, Sequence
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arro3.core import RecordBatch

_PART = 1 << 16
_IN_MEMORY = 16 * 1024**2
"""Bytes of a file from which on it is written to disk."""
_GROUP = 10_000
"""Rows that are in memory while they are compressed."""


def parquet(columns: Sequence[tuple[str, str | None]], pages: Iterable[list[tuple[object, ...]]]) -> Iterator[bytes]:
    """Yield the parts of a file, from pages of rows.

    Args:
        columns: The name of each column, and which column of a result it is; `None` for one with texts.
    """
    from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
    from arro3.io import write_parquet

    special = {
        "index": DataType.int32(),
        "confidence": DataType.float32(),
        "needs_review": DataType.bool(),
        "cached": DataType.bool(),
        "provisional": DataType.bool(),
    }
    types = [special.get(ours or "", DataType.string()) for _, ours in columns]
    schema = Schema([Field(name, kind) for (name, _), kind in zip(columns, types, strict=True)])
    failures: list[Exception] = []

    def batches() -> "Iterator[RecordBatch]":
        try:
            for rows in pages:
                if rows:
                    cells = zip(zip(*rows, strict=True), types, strict=True)
                    arrays = [Array(list(values), kind) for values, kind in cells]
                    yield RecordBatch.from_arrays(arrays, schema=schema)
        except Exception as error:
            failures.append(error)
            raise

    with SpooledTemporaryFile[bytes](_IN_MEMORY) as sink:
        try:
            reader = RecordBatchReader.from_batches(schema, batches())
            write_parquet(reader, sink, compression="zstd(3)", max_row_group_size=_GROUP)
        except Exception as error:
            raise failures[0] if failures else error  # noqa: B904  # Arrow has put one of its own in its place
        sink.seek(0)
        yield from iter(lambda: sink.read(_PART), b"")
