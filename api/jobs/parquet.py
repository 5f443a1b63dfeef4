"""Results as a Parquet file. Arrow is imported at the first request for one."""

import io
from collections.abc import Iterable, Iterator, Sequence

_PART = 1 << 16


def parquet(columns: Sequence[str], pages: Iterable[list[tuple[object, ...]]]) -> Iterator[bytes]:
    """Yield the parts of a file with these columns, from pages of rows.

    The writer takes a whole table; as columns, the results of 100,000 items take about ten megabytes.
    """
    from arro3.core import Array, DataType, Field, RecordBatch, Schema, Table
    from arro3.io import write_parquet

    special = {
        "index": DataType.int32(),
        "confidence": DataType.float32(),
        "needs_review": DataType.bool(),
        "cached": DataType.bool(),
    }
    types = [special.get(name, DataType.string()) for name in columns]
    schema = Schema([Field(name, kind) for name, kind in zip(columns, types, strict=True)])

    def batch(rows: list[tuple[object, ...]]) -> RecordBatch:
        arrays = [Array(list(values), kind) for values, kind in zip(zip(*rows, strict=True), types, strict=True)]
        return RecordBatch.from_arrays(arrays, schema=schema)

    table = Table.from_batches([batch(rows) for rows in pages if rows], schema=schema)
    sink = io.BytesIO()
    write_parquet(table, sink, compression="zstd(3)")
    sink.seek(0)
    yield from iter(lambda: sink.read(_PART), b"")
