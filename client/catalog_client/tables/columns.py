"""What the columns of a table are, and which of them are known."""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from catalog_client.tables.errors import MalformedTableError

_URLS = ("http://", "https://", "data:")
_BETWEEN_URLS = " \t\r\n,;|"
"""What may stand before the first of several URLs in a cell."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table: those that are known by a name, and further ones."""

    heading: tuple[str, ...]
    """The names of all columns, without blanks around them."""
    places: Mapping[str, int]
    """The places of the known ones, from 0, by their names."""
    own: Mapping[str, int] = field(default_factory=dict)
    """The places of those further ones that are read as the caller's own, by names that differ."""

    @classmethod
    def of(cls, heading: Sequence[str], known: Collection[str], mapping: Mapping[str, str] | None = None) -> "Columns":
        """Find the known columns in a heading, without regard to case.

        Args:
            mapping: Names of columns by the known name that they stand for.

        Raises:
            MalformedTableError: a known column occurs twice, or one of the mapping does not exist.
        """
        names = [_folded(name) for name in heading]
        places: dict[str, int] = {}
        for target, column in (mapping or {}).items():
            if target not in known:
                raise MalformedTableError(f"{target!r} is not one of {', '.join(sorted(known))}: map another column")
            places[target] = _place(names, _folded(column), column, heading)
        mapped = {*places.values()}
        for place, name in enumerate(names):
            if name not in known or place in mapped or (mapping and name in mapping):
                continue
            if name in places:
                raise MalformedTableError(f"the column {name} occurs twice in the heading: {', '.join(heading)[:200]}")
            places[name] = place
        return cls(tuple(heading), places)

    @property
    def further(self) -> tuple[str, ...]:
        """The names of the columns that are neither known nor read as the caller's own."""
        read = {*self.places.values(), *self.own.values()}
        return tuple(name for place, name in enumerate(self.heading) if name and place not in read)

    def with_own(self) -> "Columns":
        """Return the columns with all further ones as the caller's own.

        Of several with one name the first one keeps it, and a number follows that of each other one: `Prix (2)`.
        """
        known = {*self.places.values()}
        others = [(place, name) for place, name in enumerate(self.heading) if place not in known]
        own: dict[str, int] = {}
        taken = {name for _, name in others}
        for place, name in others:
            free = name if name not in own else _numbered(name, taken)
            taken.add(free)
            own[free] = place
        return replace(self, own=own)

    def own_cells(self, cells: Sequence[str]) -> dict[str, str]:
        """Return the cells of the caller's own columns as they are; those that a short row lacks are empty."""
        size = len(cells)
        return {name: cells[place] if place < size else "" for name, place in self.own.items()}

    def fields(self, cells: Sequence[str]) -> dict[str, str]:
        """Return the known cells that are not empty, by name."""
        size = len(cells)
        return {name: cells[place] for name, place in self.places.items() if place < size and cells[place]}


def picture_of(cell: str) -> dict[str, Any]:
    """Return what a cell of the column `image` names: a URL or several, or a file."""
    is_url = cell.lstrip(_BETWEEN_URLS)[:8].lower().startswith(_URLS)
    return {"url" if is_url else "file": cell}


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().lower()


def _numbered(name: str, taken: Collection[str]) -> str:
    return next(free for number in count(2) if (free := f"{name} ({number})".lstrip()) not in taken)


def _place(names: Sequence[str], wanted: str, column: str, heading: Sequence[str]) -> int:
    found = [place for place, name in enumerate(names) if name == wanted]
    if len(found) == 1:
        return found[0]
    how = "occurs twice" if found else "is missing"
    raise MalformedTableError(f"the column {column!r} {how}: the table has {', '.join(heading)[:200]}")
