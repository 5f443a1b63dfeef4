"""Categories that labels make where no file describes them: each distinct label is one, and a path makes a tree."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from shared.taxonomy import Taxonomy, read
from shared.taxonomy.lookup import PATH_SIGN
from shared.taxonomy.reading import CODE_LIMIT, NAME_LIMIT, folded

_BETWEEN = re.compile(f"[{PATH_SIGN}\uff1e\ufe65]")
"""The sign, also as Japanese and Chinese programs write it."""
_NUMBER = re.compile(r"(\d{1,18})(?:\.0+)?", re.ASCII)
_DIGITS = 12
"""Hex digits of the hash at the end of a code that would be too long."""
_COLUMNS = ("code", "name", "parent")

Steps = tuple[str, ...]
"""The names on a path, from the root."""


class LabelTree(NamedTuple):
    """A taxonomy made of labels."""

    taxonomy: Taxonomy
    respelled: int
    """The number of labels that differ from others in case or blanks alone; the most frequent spelling counts."""


def split_path(label: str) -> Steps:
    """Return the names in a path such as `Femme > Chaussures > Bottes`; of another label, the label alone.

    Blanks at the ends of a name do not count, and several in a row are one. Empty names are left out.
    """
    text = unicodedata.normalize("NFC", label)
    return tuple(name for part in _BETWEEN.split(text) if (name := " ".join(part.split())))


def code_of(steps: Steps) -> str:
    """Return the code of the category at the end of a path: the path itself.

    One of more than `CODE_LIMIT` characters is cut, and has a hash at its end.
    """
    path = f" {PATH_SIGN} ".join(steps)
    if len(path) <= CODE_LIMIT:
        return path
    return f"{path[: CODE_LIMIT - _DIGITS - 1].rstrip()}~{sha256(path.encode()).hexdigest()[:_DIGITS]}"


def tree_of(labels: Iterable[str]) -> LabelTree:
    """Make a taxonomy of labels, whose order does not matter.

    Names that no category can have, because they are too long or hold control characters, are left out with what is
    below them. Where all labels are whole numbers, pandas' `10.0` counts as `10`.

    Raises:
        TaxonomyError: There are too many categories, or too many levels, or none.
    """
    counts = Counter(text for label in labels if (text := label.strip()))
    numbers = {label: match[1] for label in counts if (match := _NUMBER.fullmatch(label))}
    if len(numbers) < len(counts):
        numbers = {}
    nodes: dict[Steps, Counter[str]] = {}
    for label, count in counts.items():
        steps = split_path(numbers.get(label, label))
        for depth, name in enumerate(steps, 1):
            if not _may_be_name(name):
                break
            nodes.setdefault(tuple(map(folded, steps[:depth])), Counter())[name] += count
    spellings = {node: _most_frequent(names) for node, names in nodes.items()}
    paths = sorted(tuple(spellings[node[:depth]] for depth in range(1, len(node) + 1)) for node in nodes)
    rows = (dict(zip(_COLUMNS, (code_of(path), path[-1], code_of(path[:-1])), strict=True)) for path in paths)
    respelled = sum(len(names) - 1 for names in nodes.values())
    return LabelTree(read(_COLUMNS, enumerate(rows, 1)), respelled)


def _most_frequent(names: Counter[str]) -> str:
    """Return the most frequent spelling; of several, the first in the order of their characters."""
    return min(names, key=lambda name: (-names[name], name))


def _may_be_name(name: str) -> bool:
    return len(name) <= NAME_LIMIT and not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name)
