"""What the places hold that `import_data` reads: files and products, each with a mark that changes when it does.

DVC does not look into the places that params.yaml names. So the stage `list_inputs` writes a listing at the start of
every run, and `import_data` depends on that. A listing names files as their source does, and no place: a URL may hold a
password.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self
from uuid import uuid4

from shared.pipeline.params import ImportParams, without_password
from training.catalogue.entries import Marks
from training.catalogue.places import content_mark
from training.catalogue.sources import configured
from training.catalogue.unlabelled import content_of

_KINDS = ("tables", "products", "pictures", "texts")
"""What a listing has. A product's mark covers its texts and its label; a picture has one of its own."""
_SHOWN = _KINDS[1:]
"""What people are told of: a table has changed if a product has, or else its form."""
_NAMED = 3
"""Names of each kind of change that a sentence shows."""


@dataclass(frozen=True)
class Changes:
    """The differences between two listings of one kind, by name, sorted."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]

    @classmethod
    def between(cls, before: Mapping[str, str], now: Mapping[str, str]) -> Self:
        both = now.keys() & before.keys()
        return cls(
            new=tuple(sorted(now.keys() - both)),
            changed=tuple(sorted(name for name in both if now[name] != before[name])),
            gone=tuple(sorted(before.keys() - both)),
        )

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)

    @property
    def figures(self) -> dict[str, int]:
        return {"new": len(self.new), "changed": len(self.changed), "gone": len(self.gone)}


@dataclass(frozen=True)
class SourceListing:
    """What an import reads: for each kind, each thing that is there, with its mark."""

    marks: Mapping[str, Marks]

    @classmethod
    def make(cls, params: ImportParams) -> Self:
        """List what `params` name: tables and texts by their content, pictures by what their place tells of them.

        Raises `CatalogueError` if a place cannot be read.
        """
        found = {kind: Marks() for kind in _KINDS}
        if (source := configured(params)) is not None:
            found |= source.marks()
        return cls({**found, "texts": _texts(params.unlabelled)})

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Return what `write` has written; `None` if there is no such file, or it is damaged."""
        try:
            marks = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return cls(marks) if isinstance(marks, dict) and marks.keys() == set(_KINDS) else None

    def write(self, path: Path) -> None:
        """Write a file, whole or not at all; equal listings give equal bytes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{uuid4().hex}")
        unfinished.write_text(json.dumps(self.marks, indent=0, sort_keys=True) + "\n", encoding="utf-8")
        unfinished.rename(path)

    def since(self, before: "SourceListing") -> dict[str, Changes]:
        """Return what has changed from the listing `before` to this one, by kind; nothing of an unchanged kind."""
        changes = {kind: Changes.between(before.marks[kind], self.marks[kind]) for kind in _KINDS}
        return {kind: of_kind for kind, of_kind in changes.items() if of_kind}

    @property
    def counts(self) -> dict[str, int]:
        """The number of things of each kind that people are told of."""
        return {kind: len(self.marks[kind]) for kind in _SHOWN}


def told(changes: Mapping[str, Changes]) -> str:
    """Return the changes in words: `1 new of the products (3804725264); 2 gone of the pictures (…)`."""
    sentences = [
        f"{len(names):,} {word} of the {kind} ({_some(names)})"
        for kind, of_kind in changes.items()
        if kind in _SHOWN or len(changes) == 1
        for word, names in (("new", of_kind.new), ("changed", of_kind.changed), ("gone", of_kind.gone))
        if names
    ]
    return "; ".join(sentences) or "nothing has changed"


def last_import(folder: Path, params: ImportParams) -> Path:
    """Return the file that keeps the listing of the last import from the same source on this machine."""
    return folder / f"{sha256(without_password(params.source or '').encode()).hexdigest()[:16]}.json"


def _texts(locations: Sequence[str]) -> Marks:
    names = (without_password(location).rstrip("/").rpartition("/")[2] for location in locations)
    contents = (content_mark(content_of(location)) for location in locations)
    return {f"{number}: {name}": mark for number, (name, mark) in enumerate(zip(names, contents, strict=True), 1)}


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
