"""Items and labels from whatever holds them: iterables, generators, tables on disk, data frames."""

import json
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from catalog_client._errors import InputError
from catalog_client._own_columns import own_value
from catalog_client._pictures import Picture, as_image
from catalog_client._table_files import Table
from catalog_client._tables import challenge_item, item_columns, label_columns, read_items, read_labels
from catalog_client.tables import Columns, MalformedTableError, as_text


@dataclass(frozen=True, kw_only=True)
class Item:
    """A product to classify: a title, a description, a picture, or any of them."""

    id: str | int | None = None
    """Your own, unique within the job; by default the item's position."""
    title: str | None = None
    description: str | None = None
    image: Picture | None = None
    metadata: Mapping[str, str | int | float | bool | None] | None = None
    """Your own columns, which come back with the result."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """A label: a category's code, and either the item itself or the result that it corrects (job_id, item_id)."""

    code: str | int
    title: str | None = None
    description: str | None = None
    image: Picture | None = None
    job_id: str | None = None
    item_id: str | None = None
    by: str | None = None
    """The person who says so; by default the API key's id."""
    at: datetime | str | None = None
    """The time at which it was said, with a time zone; by default now."""


@runtime_checkable
class Frame(Protocol):
    """The part of a pandas DataFrame that is used here."""

    @property
    def columns(self) -> Any: ...

    @property
    def index(self) -> Any: ...

    def itertuples(self, index: bool = True, name: str | None = "Pandas") -> Iterable[tuple[Any, ...]]: ...


_Items = Iterable[Item | Mapping[str, Any]]
_Labels = Iterable[Label | Mapping[str, Any]]
Entries = _Items | Callable[[], _Items] | Frame | Table | str | Path
"""Items: an iterable, a function that returns one, a DataFrame, a table or its path."""
Labels = _Labels | Callable[[], _Labels] | Frame | Table | str | Path
"""Labels, in the same ways."""
AsyncEntries = Entries | AsyncIterable[Item | Mapping[str, Any]]
AsyncLabels = Labels | AsyncIterable[Label | Mapping[str, Any]]

Source = Iterable[Any] | AsyncIterable[Any] | Callable[[], Iterable[Any]]


class Reading:
    """The entries of a table, which can be read again until it is closed."""

    def __init__(self, table: Table, entries: Callable[[Table], Iterator[dict[str, Any]]], *, owned: bool) -> None:
        self._table = table
        self._entries = entries
        self._owned = owned

    def __call__(self) -> Iterator[dict[str, Any]]:
        return self._entries(self._table)

    def close(self) -> None:
        if self._owned:
            self._table.close()


def item_source(
    items: Any, pictures: Path | None, mapping: Mapping[str, str] | None, *, own_columns: bool = True
) -> Source:
    """Return the iterable of the items, or a function that opens it again."""
    if isinstance(items, Frame):
        return partial(_frame_items, items, pictures, mapping or {}, own_columns=own_columns)
    if not own_columns and not isinstance(items, (str, Path)):
        raise InputError("`own_columns` is for the path of a table or a DataFrame; a Table has its own")
    return _reading(items, mapping, lambda table: read_items(table, pictures), own_columns=own_columns)


def label_source(labels: Any, pictures: Path | None, job_id: str | None, mapping: Mapping[str, str] | None) -> Source:
    """Return the iterable of the labels, or a function that opens it again."""
    if isinstance(labels, Frame):
        return partial(_frame_labels, labels, job_id, mapping or {})
    return _reading(labels, mapping, lambda table: read_labels(table, pictures, job_id))


def _reading(
    source: Any,
    mapping: Mapping[str, str] | None,
    entries: Callable[[Table], Iterator[dict[str, Any]]],
    *,
    own_columns: bool = True,
) -> Source:
    if isinstance(source, (str, Path)):
        return Reading(Table(source, mapping=mapping, own_columns=own_columns), entries, owned=True)
    if mapping:
        raise InputError("`mapping` is for the path of a table or a DataFrame; a Table has its own")
    return Reading(source, entries, owned=False) if isinstance(source, Table) else cast("Source", source)


class Encoder:
    """A writer of entries as lines of NDJSON. It counts them, to name the one that cannot be written."""

    def __init__(self, pictures: Path | None) -> None:
        self._pictures = pictures
        self._index = 0

    def line(self, entry: Any) -> bytes:
        """Return the entry's line; raises `InputError` for one that cannot be sent."""
        index, self._index = self._index, self._index + 1
        try:
            document = _members(entry)
            if (picture := document.get("image")) is not None:
                document["image"] = as_image(picture, self._pictures)
            return dump(document) + b"\n"
        except (TypeError, ValueError) as error:
            raise InputError(f"item {index}: {error}") from error


def _members(entry: Any) -> dict[str, Any]:
    if isinstance(entry, (Item, Label)):
        members = {each.name: getattr(entry, each.name) for each in fields(entry)}
    elif isinstance(entry, Mapping):
        members = dict(entry)
    else:
        raise InputError(f"a {type(entry).__name__} is neither an Item, a Label nor a mapping")
    return {name: value for name, value in members.items() if not _missing(value)}


def dump(document: Mapping[str, Any]) -> bytes:
    """Return the document as JSON, whatever its texts hold."""
    try:
        return json.dumps(document, ensure_ascii=False, allow_nan=False, default=_plain).encode()
    except UnicodeEncodeError:  # half of a pair of surrogates: escaped, so that the service can name the item
        return json.dumps(document, default=_plain).encode()


def _plain(value: Any) -> Any:
    """Convert a value that JSON does not know: a number of NumPy's, or a time."""
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a {type(value).__name__} cannot be sent")


def _missing(value: Any) -> bool:
    """Tell whether a cell is empty: None, or one of pandas' marks for it (NaN, NaT, NA)."""
    return (
        value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)
    )


def _frame_items(
    frame: Frame, pictures: Path | None, mapping: Mapping[str, str], *, own_columns: bool
) -> Iterator[dict[str, Any]]:
    """Yield the rows as items. Without a column `id` the index is the id, by which results can be joined."""
    columns = _frame_columns(frame, item_columns(mapping, own_columns=own_columns))
    rows = _rows(frame, columns)
    if "designation" in columns.places:
        return (challenge_item(row, str(index), pictures) for index, row in rows)
    return ({"id": str(index), **row} for index, row in rows)


def _frame_labels(frame: Frame, job_id: str | None, mapping: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the rows as labels; with `job_id` the index is the item's id where no column says it."""
    for index, row in _rows(frame, _frame_columns(frame, label_columns(mapping))):
        yield row if job_id is None else {"job_id": job_id, "item_id": str(index), **row}


def _frame_columns(frame: Frame, find: Callable[[list[str]], Columns]) -> Columns:
    try:
        return find([str(column).strip() for column in frame.columns])
    except MalformedTableError as error:
        raise InputError(f"the frame: {error}") from error


def _rows(frame: Frame, columns: Columns) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield each row's index, and its known cells that are not empty."""
    for index, cells in zip(frame.index, frame.itertuples(index=False, name=None), strict=True):
        row = {name: cells[place] for name, place in columns.places.items() if not _missing(cells[place])}
        fields = {name: as_text(row[name]) if name in ("id", "item_id") else row[name] for name in row}
        if columns.own:
            fields["metadata"] = {name: _own(cells[place], name, index) for name, place in columns.own.items()}
        yield index, fields


def _own(cell: Any, name: str, index: Any) -> str | int | float | bool | None:
    """Return a cell of the caller's own; raises `InputError` for one that the service does not keep."""
    try:
        return None if _missing(cell) else own_value(cell)
    except TypeError as error:
        raise InputError(f"the frame's column {name[:50]!r}, row {index}: it {error}") from error
