"""The rows of a workbook's first sheet as text."""

import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import IO, Any

from catalog_client.tables.errors import MalformedTableError
from catalog_client.tables.records import Record

_LARGEST = 512 * 1024**2
"""Maximum bytes of a workbook's parts together, unpacked."""
_FREE, _RATIO = 8 * 1024**2, 100
"""A part over this many bytes must not be packed to less than a hundredth: sheets of texts come to a tenth."""


def workbook_records(file: IO[bytes], limit: int) -> Iterator[Record]:
    """Yield the number and the cells of each row; raises `MalformedTableError` for what cannot be read."""
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise MalformedTableError(
            "a workbook is read with openpyxl: pip install 'rakuten-catalog-client[xlsx]', or save the table as CSV"
        ) from error
    _check(file)
    try:
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what it says of its own size may be wrong
        for line, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            if line > limit:
                raise MalformedTableError(f"row {line} is beyond the last one that a sheet can have", line)
            yield line, [as_text(cell) for cell in cells]
    except MalformedTableError:
        raise
    except Exception as error:  # openpyxl raises whatever its parts raise for a workbook that is damaged
        raise MalformedTableError(f"cannot be read as a workbook: {error}") from error


def as_text(value: Any) -> str:
    """Return a cell's value as a person reads it: whole numbers have no decimals."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time.min:
        return value.date().isoformat()
    return value.isoformat() if isinstance(value, (date, time)) else str(value)


def _check(file: IO[bytes]) -> None:
    """Refuse what is no workbook, or would fill the memory when it is unpacked."""
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise MalformedTableError(f"cannot be read as a workbook: {error}") from error
    file.seek(0)
    if not any(part.filename.lower() == "[content_types].xml" for part in parts):
        raise MalformedTableError("a zip archive without a workbook: unpack it, and send the table that it holds")
    read = [part for part in parts if part.filename.lower().endswith((".xml", ".rels"))]
    suspicious = any(part.file_size > max(_FREE, _RATIO * part.compress_size) for part in read)
    if suspicious or sum(part.file_size for part in read) > _LARGEST:
        raise MalformedTableError(f"the workbook unpacks to over {_FREE:,} bytes of a kind: save the table as CSV")
