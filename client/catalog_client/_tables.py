"""Tables of products or labels on disk, as the items and labels that the service takes."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from catalog_client._errors import InputError, TableError
from catalog_client._pictures import PICTURE_URL, encode_file, path_in

CHALLENGE = frozenset({"designation", "description", "productid", "imageid"})
PLAIN = frozenset({"id", "title", "description", "image"})
LABEL = frozenset({"job_id", "item_id", "title", "description", "image", "code", "by", "at"})
_LARGEST_FIELD = 2**31 - 1
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula."""

_Rows = Iterator[tuple[int, dict[str, Any]]]
"""Rows, each with its line."""


def read_items(table: Path, pictures: Path | None = None) -> Iterator[dict[str, Any]]:
    """Read the items of a CSV or NDJSON table, with their pictures.

    A CSV has the columns id, title, description, image (a file name or a URL), or the challenge's own: its first column
    is the id then, and the picture is image_<imageid>_product_<productid>.jpg where that file is there. NDJSON holds
    items as the service takes them; `image.file` is looked up in `pictures`.

    Raises:
        TableError: unknown columns, a line that is not JSON, a picture that is named and not there.
    """
    rows = _csv(table, pictures) if _is_csv(table) else _ndjson(table)
    yield from _with_pictures(rows, pictures, table)


def read_labels(table: Path, pictures: Path | None = None, job_id: str | None = None) -> Iterator[dict[str, Any]]:
    """Read the labels of a CSV or NDJSON table, with their pictures.

    Each has a `code`, perhaps `by` and `at`, and names a result (job_id, item_id) or the item (title, description,
    image). With `job_id` the table may leave that column out, and its `id` is the item's.

    Raises:
        TableError: the table is wrong in the same ways as for `read_items`, or a code is not a number.
    """
    rows = _label_rows(table) if _is_csv(table) else _ndjson(table)
    for label in _with_pictures(rows, pictures, table):
        if job_id is not None:
            label = {"job_id": job_id, "item_id": label.pop("id", None), **label}
        yield {name: value for name, value in label.items() if value is not None}


def count_items(table: Path) -> int:
    """Count the items that `read_items` yields."""
    with _opened(table) as file:
        if _is_csv(table):
            csv.field_size_limit(_LARGEST_FIELD)
            return max(sum(1 for _ in csv.reader(file)) - 1, 0)
        return sum(1 for line in file if line.strip())


def challenge_item(row: dict[str, Any], item_id: Any, pictures: Path | None) -> dict[str, Any]:
    """Return a row of the challenge's table as an item; its picture is named if its file is there."""
    item: dict[str, Any] = {"id": item_id, "title": row.get("designation"), "description": row.get("description")}
    name = f"image_{row.get('imageid')}_product_{row.get('productid')}.jpg"
    if pictures is not None and (pictures / name).is_file():
        item["image"] = {"file": name}
    return {field: value for field, value in item.items() if value not in (None, "")}


def disarmed(text: str) -> str:
    """Return the text with an apostrophe before it if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _is_csv(table: Path) -> bool:
    return table.suffix.lower() == ".csv"


@contextmanager
def _opened(table: Path) -> Iterator[TextIO]:
    """Open the table as text; raises `TableError` if it cannot be read, or is not UTF-8."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except OSError as error:
        raise TableError(f"{table}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{table}: not a text in UTF-8; save the table as CSV in UTF-8, or as NDJSON") from error


def _with_pictures(rows: _Rows, pictures: Path | None, table: Path) -> Iterator[dict[str, Any]]:
    for line, item in rows:
        image = item.get("image")
        if isinstance(image, dict) and "file" in image:
            item["image"] = {"base64": _read_picture(image["file"], pictures, table, line)}
        yield item


def _read_picture(name: Any, pictures: Path | None, table: Path, line: int) -> str:
    if pictures is None:
        raise TableError(f"{table}, line {line}: names the picture {name!r}: say in which folder it lies (--pictures)")
    try:
        return encode_file(path_in(pictures, name))
    except InputError as error:
        raise TableError(f"{table}, line {line}: {error}") from error


def _csv(table: Path, pictures: Path | None) -> _Rows:
    csv.field_size_limit(_LARGEST_FIELD)
    with _opened(table) as file:
        reader = csv.DictReader(file)
        names = list(reader.fieldnames or [])
        columns = set(names)
        if columns >= CHALLENGE:
            for row in reader:
                yield reader.line_num, challenge_item(row, row[names[0]], pictures)
        elif columns and columns <= PLAIN:
            for row in reader:
                yield reader.line_num, _plain_item(row)
        else:
            expected = f"{sorted(PLAIN)} or the challenge's {sorted(CHALLENGE)}"
            raise TableError(f"{table}: columns {sorted(columns)}; expected {expected}")


def _label_rows(table: Path) -> _Rows:
    csv.field_size_limit(_LARGEST_FIELD)
    with _opened(table) as file:
        reader = csv.DictReader(file)
        columns = set(reader.fieldnames or [])
        if "code" not in columns or not columns <= {*LABEL, "id"}:
            raise TableError(f"{table}: columns {sorted(columns)}; expected code, and of the others {sorted(LABEL)}")
        for row in reader:
            label = _plain_item(row)
            if str(label.get("id", "")).startswith(tuple(map(disarmed, _FORMULA))):
                label["id"] = label["id"][1:]  # the table may be results that a person has corrected
            try:
                label["code"] = int(label.get("code", ""))
            except ValueError:
                message = f"{table}, line {reader.line_num}: the code {label.get('code', '')!r} is no number"
                raise TableError(message) from None
            yield reader.line_num, label


def _plain_item(row: dict[str, str]) -> dict[str, Any]:
    item: dict[str, Any] = {field: value for field, value in row.items() if value}
    if image := item.get("image"):
        item["image"] = {"url" if PICTURE_URL.match(image) else "file": image}
    return item


def _ndjson(table: Path) -> _Rows:
    with _opened(table) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                item = json.loads(line)
            except ValueError as error:
                raise TableError(f"{table}, line {number}: not JSON: {error}") from error
            if not isinstance(item, dict):
                raise TableError(f"{table}, line {number}: an item is a JSON object")
            yield number, item
