"""Tables of products or labels as the items and labels that the service takes."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any

from catalog_client._errors import InputError, TableError
from catalog_client._own_columns import known_members, own_members, with_own
from catalog_client._pictures import encode_file, path_in
from catalog_client._table_files import Table
from catalog_client.tables import Columns, MalformedTableError, picture_of

CHALLENGE = frozenset({"designation", "description", "productid", "imageid"})
PLAIN = frozenset({"id", "title", "description", "image"})
LABEL = frozenset({"job_id", "item_id", "title", "description", "image", "code", "by", "at"})
_CONTENT = PLAIN - {"id"}
_CODE = re.compile(r"\s*(\d{1,18})(?:[.,]0*)?\s*", re.ASCII)
"""A whole number as a code, perhaps as a spreadsheet or pandas writes it: 2583.0."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula."""


def read_items(
    table: Table | str | Path,
    pictures: Path | None = None,
    *,
    mapping: Mapping[str, str] | None = None,
    own_columns: bool = True,
) -> Iterator[dict[str, Any]]:
    """Read the items of a table, with their pictures.

    A CSV or a workbook has columns id, title, description, image (a file name, or a URL or several), or the
    challenge's own: its first column is the id then, and the picture is image_<imageid>_product_<productid>.jpg where
    that file is there. Further columns are the item's `metadata`. NDJSON holds items as the service takes them, with
    further members in the place of further columns; `image.file` is looked up in `pictures`.

    Args:
        mapping: For a path, what it is for a `Table`.
        own_columns: Likewise.

    Raises:
        TableError: no known columns, a line that is malformed, own columns that are too many or too long for the
            service, a picture that is named and not there.
    """
    with opened(table, mapping, own_columns=own_columns) as source:
        for line, cells, fields in source.read(item_columns(source.mapping, own_columns=source.own_columns)):
            item = _object(fields, source, line) if cells is None else _item(source.columns, cells, fields, pictures)
            yield _with_picture(item, pictures, source, line)


def read_labels(
    table: Table | str | Path,
    pictures: Path | None = None,
    job_id: str | None = None,
    *,
    mapping: Mapping[str, str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Read the labels of a table, with their pictures.

    Each has a `code`, perhaps `by` and `at`, and names a result (job_id, item_id) or the item (title, description,
    image). With `job_id` the table may leave that column out, and its `id` is the item's.

    Args:
        mapping: For a path, what it is for a `Table`.

    Raises:
        TableError: the table is wrong in the same ways as for `read_items`, or a row has no code.
    """
    with opened(table, mapping) as source:
        for line, cells, fields in source.read(label_columns(source.mapping)):
            label = fields if cells is None else _label(fields, source, line)
            label = _with_picture(label, pictures, source, line)
            if job_id is not None:
                label = {"job_id": job_id, "item_id": label.pop("id", None), **label}
            yield {name: value for name, value in label.items() if value is not None}


def count_items(table: Table | str | Path) -> int:
    """Count the items that `read_items` yields; raises as it does where a table is malformed."""
    with opened(table, None) as source:
        return source.count(item_columns(source.mapping, own_columns=source.own_columns))


def own_rows(table: Table) -> Iterator[tuple[str | None, list[str]]]:
    """Yield each row of a table of items as it is, with the item's id."""
    for _, cells, fields in table.read(item_columns(table.mapping, own_columns=table.own_columns)):
        yield fields.get("id"), cells or []


def opened(
    table: Table | str | Path, mapping: Mapping[str, str] | None, *, own_columns: bool = True
) -> AbstractContextManager[Table]:
    """Return a context with the table, which is closed behind it if it was given as a path."""
    if isinstance(table, Table):
        return nullcontext(table)
    return closing(Table(table, mapping=mapping, own_columns=own_columns))


def item_columns(mapping: Mapping[str, str], *, own_columns: bool) -> Callable[[list[str]], Columns]:
    """Return what finds an item's columns in a heading.

    It raises `MalformedTableError` where there are none, or where the service takes no such own columns.
    """

    def known(names: list[str]) -> Columns:
        if not mapping and {name.lower() for name in names} >= CHALLENGE:
            challenge = Columns.of(names, CHALLENGE)
            return Columns(challenge.heading, {"id": 0, **challenge.places})
        found = Columns.of(names, PLAIN, mapping)
        if _CONTENT.isdisjoint(found.places):
            expected = f"{sorted(PLAIN)} or the challenge's {sorted(CHALLENGE)}"
            raise MalformedTableError(
                f"columns {sorted(names)}; expected {expected}, or say which column is the title (--map title=COLUMN)"
            )
        return found

    return (lambda names: with_own(known(names))) if own_columns else known


def label_columns(mapping: Mapping[str, str]) -> Callable[[list[str]], Columns]:
    """Return what finds a label's columns in a heading; it raises `MalformedTableError` where there is no code."""

    def find(names: list[str]) -> Columns:
        found = Columns.of(names, {*LABEL, "id"}, mapping)
        if "code" not in found.places:
            raise MalformedTableError(f"columns {sorted(names)}; expected code, and of the others {sorted(LABEL)}")
        return found

    return find


def challenge_item(row: Mapping[str, Any], item_id: Any, pictures: Path | None) -> dict[str, Any]:
    """Return a row of the challenge's table as an item; its picture is named if its file is there."""
    item: dict[str, Any] = {"id": item_id, "title": row.get("designation"), "description": row.get("description")}
    name = f"image_{row.get('imageid')}_product_{row.get('productid')}.jpg"
    if pictures is not None and (pictures / name).is_file():
        item["image"] = {"file": name}
    item["metadata"] = row.get("metadata")
    return {field: value for field, value in item.items() if value not in (None, "")}


def disarmed(text: str) -> str:
    """Return the text with an apostrophe before it if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _item(columns: Columns, cells: list[str], fields: dict[str, Any], pictures: Path | None) -> dict[str, Any]:
    if "designation" in columns.places:
        return challenge_item(fields, cells[0], pictures)
    return _with_image(fields)


def _object(fields: dict[str, Any], table: Table, line: int) -> dict[str, Any]:
    if not table.own_columns:
        return known_members(fields)
    try:
        return own_members(fields, line)
    except MalformedTableError as error:
        raise TableError(f"{table}: {error}", line=line) from error


def _label(fields: dict[str, Any], table: Table, line: int) -> dict[str, Any]:
    label = _with_image(fields)
    if str(label.get("id", "")).startswith(tuple(map(disarmed, _FORMULA))):
        label["id"] = label["id"][1:]  # the table may be results that a person has corrected
    code = label.get("code", "").strip()
    if not code:
        raise TableError(f"{table}, line {line}: there is no code", line=line)
    number = _CODE.fullmatch(code)
    return {**label, "code": number[1] if number else code}


def _with_image(fields: dict[str, Any]) -> dict[str, Any]:
    if image := fields.get("image"):
        fields["image"] = picture_of(image)
    return fields


def _with_picture(item: dict[str, Any], pictures: Path | None, table: Table, line: int) -> dict[str, Any]:
    image = item.get("image")
    if isinstance(image, dict) and "file" in image:
        item["image"] = {"base64": _read_picture(image["file"], pictures, table, line)}
    return item


def _read_picture(name: Any, pictures: Path | None, table: Table, line: int) -> str:
    if pictures is None:
        detail = f"names the picture {name!r}: say in which folder it lies (--pictures)"
        raise TableError(f"{table}, line {line}: {detail}", line=line)
    try:
        return encode_file(path_in(pictures, name))
    except InputError as error:
        raise TableError(f"{table}, line {line}: {error}", line=line) from error
