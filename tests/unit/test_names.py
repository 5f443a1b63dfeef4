"""One word for one thing: a public class's name is enough to find it."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from shared.settings import ROOT

CODE_BASES = {
    "service": ("api", "shared", "stack", "training", "worker"),
    "client": ("client",),  # a distribution of its own, whose records are named after what the API calls them
}


def _public_classes(path: Path) -> list[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return [node.name for node in body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]


@pytest.mark.parametrize("towers", CODE_BASES.values(), ids=CODE_BASES)
def test_no_two_public_classes_have_one_name(towers: tuple[str, ...]) -> None:
    places = defaultdict(list)
    for tower in towers:
        for path in sorted((ROOT / tower).rglob("*.py")):
            for name in _public_classes(path):
                places[name].append(str(path.relative_to(ROOT)))
    assert len(places) > 20, "the walk has found the classes"
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
