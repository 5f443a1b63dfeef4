"""Reads tables of items or labels: CSV in whatever encoding and with whatever separators a program has saved it.

The service and its training use the same reader, so that a table means the same wherever it is read. It is fed with
bytes as they arrive and holds one record at a time. `open_table` reads files, which may also be NDJSON or workbooks.
"""

from catalog_client.tables.columns import Columns, picture_of
from catalog_client.tables.errors import MalformedTableError, RecordTooLongError
from catalog_client.tables.files import BY_SUFFIX, CSV, NDJSON, XLSX, TableFile, open_table
from catalog_client.tables.reader import CELL_LIMIT, RECORD_LIMIT, TableReader
from catalog_client.tables.records import Record
from catalog_client.tables.separators import SEPARATORS
from catalog_client.tables.workbooks import as_text

__all__ = [
    "BY_SUFFIX",
    "CELL_LIMIT",
    "CSV",
    "NDJSON",
    "RECORD_LIMIT",
    "SEPARATORS",
    "XLSX",
    "Columns",
    "MalformedTableError",
    "Record",
    "RecordTooLongError",
    "TableFile",
    "TableReader",
    "as_text",
    "open_table",
    "picture_of",
]
