"""The caller's own columns: kept beside an item, and given back with its result.

A JSON item has them in `metadata`; those of a table are its further columns.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from api.ingest import LONGEST_NAME, MOST_OWN_COLUMNS, RawItem
from api.items.validation import ItemError
from shared.ledger import Value

_MOST_BYTES = 4096
"""Bytes of an item's own columns: as JSON in `metadata`, the cells alone in a table."""


class _RefusedError(ValueError):
    """Own columns cannot be kept; the message says why."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def _checked(metadata: Any) -> dict[str, Value]:
    """Return the `metadata` of a JSON item; raises `_RefusedError`."""
    if not isinstance(metadata, dict):
        raise _RefusedError("metadata_type", "metadata is an object: names with texts, numbers, booleans or null")
    _check_names(metadata)
    for name, value in metadata.items():
        _check_value(name, value)
    _check_size("metadata has", _bytes_of(json.dumps(metadata, ensure_ascii=False, separators=(",", ":"))))
    return metadata


def _checked_cells(cells: Mapping[str, str]) -> dict[str, Value]:
    """Return the cells of a table's own columns; raises `_RefusedError`."""
    _check_names(cells)
    _check_size("the cells of your own columns have", sum(map(_bytes_of, cells.values())))
    return dict(cells)


def _checked_if_any(metadata: Any) -> dict[str, Value] | None:
    return None if metadata is None else _checked(metadata)


def _checked_by_pydantic(metadata: Any) -> dict[str, Value] | None:
    try:
        return _checked_if_any(metadata)
    except _RefusedError as error:
        raise PydanticCustomError(error.code, "{detail}", {"detail": str(error)}) from None


Metadata = Annotated[
    dict[str, Value] | None,
    PlainValidator(_checked_by_pydantic),
    WithJsonSchema(
        {
            "anyOf": [
                {
                    "type": "object",
                    "maxProperties": MOST_OWN_COLUMNS,
                    "propertyNames": {"maxLength": LONGEST_NAME},
                    "additionalProperties": {
                        "anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}, {"type": "null"}]
                    },
                },
                {"type": "null"},
            ]
        },
        mode="validation",
    ),
]


def own_columns_of(raw: RawItem, metadata: dict[str, Value] | None) -> dict[str, Value] | None:
    """Return the item's own columns: the table's, or its `metadata`; raises `ItemError`."""
    if raw.own is None:
        return metadata
    try:
        return _checked_cells(raw.own)
    except _RefusedError as error:
        raise ItemError("", error.code, str(error)) from None


def own_columns_of_invalid(raw: RawItem) -> dict[str, Value] | None:
    """Return the own columns of an item that is wrong; `None` without, or if they are what is wrong."""
    metadata = raw.fields.get("metadata") if isinstance(raw.fields, dict) else None
    try:
        return own_columns_of(raw, _checked_if_any(metadata))
    except (ItemError, _RefusedError):
        return None


class OwnColumns:
    """The names of the own columns of a job's items, in the order of their first appearance."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names)

    def add(self, metadata: Mapping[str, Value]) -> None:
        """Take an item's columns in; raises `ItemError` if they are too many together with those before."""
        new = [name for name in metadata if name not in self._names]
        if len(self._names) + len(new) > MOST_OWN_COLUMNS:
            detail = f"with {new[0][:100]!r}, the items have over {MOST_OWN_COLUMNS} different own columns"
            raise ItemError("/metadata", "too_many_columns", detail)
        self._names.update(dict.fromkeys(new))


def _check_names(names: Mapping[str, Any]) -> None:
    if len(names) > MOST_OWN_COLUMNS:
        raise _RefusedError("too_many_columns", f"there are {len(names):,} own columns, over {MOST_OWN_COLUMNS}")
    for name in names:
        if len(name) > LONGEST_NAME:
            detail = f"the name of the own column {name[:50]!r}… has {len(name):,} characters, over {LONGEST_NAME}"
            raise _RefusedError("name_too_long", detail)


def _check_value(name: str, value: Any) -> None:
    if not isinstance(value, str | int | float | bool | None):
        kind = "a list" if isinstance(value, list) else "an object"
        detail = f"metadata has {kind} in {name[:50]!r}: the values are texts, numbers, booleans or null"
        raise _RefusedError("metadata_type", detail)


def _check_size(what: str, size: int) -> None:
    if size > _MOST_BYTES:
        raise _RefusedError("metadata_too_long", f"{what} {size:,} bytes, over {_MOST_BYTES:,}")


def _bytes_of(text: str) -> int:
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise _RefusedError("string_unicode", f"the own columns hold half a character: {error.reason}") from None
