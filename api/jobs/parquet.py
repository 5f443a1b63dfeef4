"""Results as a Parquet file. Arrow is imported at the first request for one."""

import io
from collections.abc import Iterable, Iterator

from api.jobs.render import COLUMNS, row
from api.jobs.schemas import ResultOut

_PART = 1 << 16


def parquet(pages: Iterable[list[ResultOut]]) -> Iterator[bytes]:
    """Yield the parts of a file with the CSV's columns, typed.

    It is sent once complete, because the writer takes a whole table; as columns, the results of 100,000 items take
    about ten megabytes.
    """
    from arro3.core import Array, DataType, Field, RecordBatch, Schema, Table
    from arro3.io import write_parquet

    special = {
        "index": DataType.int32(),
        "prdtypecode": DataType.int32(),
        "confidence": DataType.float32(),
        "needs_review": DataType.bool(),
        "cached": DataType.bool(),
    }
    types = [special.get(name, DataType.string()) for name in COLUMNS]
    schema = Schema([Field(name, kind) for name, kind in zip(COLUMNS, types, strict=True)])

    def batch(page: list[ResultOut]) -> RecordBatch:
        columns = zip(*(row(result) for result in page), strict=True)
        arrays = [Array(list(values), kind) for values, kind in zip(columns, types, strict=True)]
        return RecordBatch.from_arrays(arrays, schema=schema)

    table = Table.from_batches([batch(page) for page in pages if page], schema=schema)
    sink = io.BytesIO()
    write_parquet(table, sink, compression="zstd(3)")
    sink.seek(0)
    yield from iter(lambda: sink.read(_PART), b"")
