"""Nothing in the code knows a category: only Rakuten's data does, and what reads and writes the challenge's files."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.settings import ROOT
from shared.taxonomy import RAKUTEN
from training.sample.vocabulary import VOCABULARY

PARTS = ("api", "shared", "training", "worker", "stack", "client/catalog_client")
FILES = sorted(file for part in PARTS for file in (ROOT / part).rglob("*.py"))
CHALLENGE = {
    "training/catalogue/tables/columns.py": "knows the names that columns of categories have",
    "training/catalogue/challenge.py": "reads the challenge's files",
    "training/judge/protected.py": "reads a protected set in the challenge's form",
    "training/sample": "writes a catalogue in the challenge's form",
    "client/catalog_client/command": "writes predictions in the challenge's form (--challenge)",
}
"""Where the challenge's word for a category may be."""
RAKUTENS = {
    "shared/taxonomy": "owns the categories",
    "training/sample": "writes invented products of Rakuten's categories",
}
"""Where Rakuten's categories may be counted or listed."""
LEAVES = frozenset(leaf.code for leaf in RAKUTEN.leaves)


def _within(file: Path, places: dict[str, str]) -> bool:
    name = file.relative_to(ROOT).as_posix()
    return any(name == place or name.startswith(f"{place}/") for place in places)


def _collections(file: Path) -> Iterator[tuple[int, set[str]]]:
    """The line of each literal with several values, and its values as texts."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        values = node.keys if isinstance(node, ast.Dict) else getattr(node, "elts", ())
        texts = {str(value.value) for value in values if isinstance(value, ast.Constant)}
        if texts and isinstance(node, ast.expr):
            yield node.lineno, texts


@pytest.mark.parametrize("pattern", [r"prdtypecode", r"PRODUCT_TYPES|product_types"])
def test_the_challenges_words_are_where_its_files_are_read_and_written(pattern: str) -> None:
    elsewhere = [file for file in FILES if re.search(pattern, file.read_text(encoding="utf-8"))]
    assert [file.relative_to(ROOT).as_posix() for file in elsewhere if not _within(file, CHALLENGE)] == []


def test_no_code_counts_rakutens_categories() -> None:
    counted = re.compile(rf"(?<![\d.:x]){len(LEAVES)}\b(?![.\d])")
    found = [
        f"{file.relative_to(ROOT).as_posix()}:{number}: {line.strip()}"
        for file in FILES
        if not _within(file, RAKUTENS)
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if counted.search(line)
    ]
    assert found == []


def test_no_code_lists_rakutens_categories() -> None:
    found = [
        f"{file.relative_to(ROOT).as_posix()}:{line}"
        for file in FILES
        if not _within(file, RAKUTENS)
        for line, values in _collections(file)
        if len({value for value in values & LEAVES if int(value) >= 1000}) > 1
    ]
    assert found == []


def test_the_search_for_lists_finds_them() -> None:
    (vocabulary,) = (values for _, values in _collections(ROOT / "training/sample/vocabulary.py") if values >= LEAVES)
    assert vocabulary == set(VOCABULARY)


def test_the_places_exist() -> None:
    assert [place for place in [*CHALLENGE, *RAKUTENS] if not (ROOT / place).exists()] == []
