"""The caller's own columns: what the service keeps beside an item and gives back with its result.

Their limits are the service's. They are checked here as well, because only here the line of a table is known.
"""

import json
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any

from catalog_client.tables import Columns, MalformedTableError

MOST_COLUMNS, LONGEST_NAME, MOST_BYTES = 256, 200, 4096
"""Own columns of a table, characters of the name of one, and bytes that those of an item have as JSON."""
_MOST_PER_CHARACTER = 6
"""Bytes of a character in JSON: those of one that is escaped."""
_AROUND = 6
"""Bytes around a name and a text in JSON: four quotes, a colon and a comma."""
_ADVICE = "shorten it, or leave your own columns out (--no-own-columns, own_columns=False)"
_ITEM = frozenset({"id", "title", "description", "image", "metadata"})
"""The members of an item as the service takes it."""


def with_own(columns: Columns) -> Columns:
    """Return the columns with all further ones as the caller's own; raises `MalformedTableError` for too many."""
    found = columns.with_own()
    if len(found.own) > MOST_COLUMNS:
        detail = f"{len(found.own):,} columns of your own, over {MOST_COLUMNS}"
        raise MalformedTableError(f"{detail}: remove some, or leave all out (--no-own-columns, own_columns=False)")
    if long := next((name for name in found.own if len(name) > LONGEST_NAME), None):
        detail = f"column {found.own[long] + 1}, {long[:50]!r}…, has a name of {len(long):,} characters"
        raise MalformedTableError(f"{detail}, over {LONGEST_NAME}: {_ADVICE}")
    return found


def check_size(own: Mapping[str, Any], line: int) -> None:
    """Raise `MalformedTableError` if the service keeps no more of this line's own columns: it names the longest one."""
    likely = sum(_MOST_PER_CHARACTER * (len(name) + len(str(value))) + _AROUND for name, value in own.items())
    if likely <= MOST_BYTES:
        return
    size = _size(own)
    if size > MOST_BYTES:
        name, longest = max(own.items(), key=lambda pair: len(str(pair[1])))
        detail = f"line {line}: your own columns have {size:,} bytes as JSON, over {MOST_BYTES:,}"
        raise MalformedTableError(f"{detail}; {name[:50]!r} alone has {_size(longest):,}: {_ADVICE}", line)


def own_members(item: Mapping[str, Any], line: int) -> dict[str, Any]:
    """Return an object of NDJSON as an item: members that no item has are added to its `metadata`.

    Raises:
        MalformedTableError: one of them is a list or an object, or in `metadata` as well; or they are too long.
    """
    more = {name: value for name, value in item.items() if name not in _ITEM}
    metadata = item.get("metadata")
    if not more or not isinstance(metadata, Mapping | None):  # what is no object is the service's to judge
        return dict(item)
    for name, value in more.items():
        if isinstance(value, list | dict):
            kind = "a list" if isinstance(value, list) else "an object"
            advice = "your own columns are texts, numbers, booleans or null (to leave them out: --no-own-columns)"
            raise MalformedTableError(f"line {line}: {name[:50]!r} is {kind}: {advice}", line)
        if metadata and name in metadata:
            raise MalformedTableError(f"line {line}: {name[:50]!r} is there twice: in `metadata`, too", line)
    own = {**(metadata or {}), **more}
    check_size(own, line)
    return {**{name: value for name, value in item.items() if name not in more}, "metadata": own}


def known_members(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object of NDJSON without the members that no item has."""
    return {name: value for name, value in item.items() if name in _ITEM}


def own_value(value: Any) -> str | int | float | bool | None:
    """Return a data frame's value as the service keeps it; raises `TypeError` for what is no single value."""
    if hasattr(value, "item") and not hasattr(value, "__len__"):  # a number of NumPy's
        value = value.item()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, str | int | float | bool | None):
        return value
    raise TypeError(f"holds a {type(value).__name__}, no text, number, boolean or time: convert it, or {_ADVICE}")


def _size(value: Any) -> int:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass"))
