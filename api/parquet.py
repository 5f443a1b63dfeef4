"""Results as a Parquet file, written as it is sent. pyarrow is loaded when the first one is asked for."""

from collections.abc import Iterable, Iterator
from typing import Any

from api.render import COLUMNS, row
from api.schemas import ResultOut


def parquet(pages: Iterable[list[ResultOut]]) -> Iterator[bytes]:
    """A row group per page; columns as in the CSV, with their types."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "index": pa.int32(),
        "prdtypecode": pa.int32(),
        "confidence": pa.float32(),
        "needs_review": pa.bool_(),
        "cached": pa.bool_(),
    }
    schema = pa.schema([(name, types.get(name, pa.string())) for name in COLUMNS])
    sink = _Sink()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for page in pages:
            if page:
                columns = dict(zip(COLUMNS, zip(*(row(result) for result in page), strict=True), strict=True))
                writer.write_table(pa.table(columns, schema=schema))
            yield sink.take()
    yield sink.take()


class _Sink:
    """A file whose content is taken away as it is written."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)
