"""One word for one thing: a public class's name is enough to find it."""

import ast
from collections import defaultdict
from pathlib import Path

from shared.settings import ROOT

TOWERS = ("api", "client", "shared", "stack", "training", "worker")


def _public_classes(path: Path) -> list[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return [node.name for node in body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]


def test_no_two_public_classes_have_one_name() -> None:
    places = defaultdict(list)
    for tower in TOWERS:
        for path in sorted((ROOT / tower).rglob("*.py")):
            for name in _public_classes(path):
                places[name].append(str(path.relative_to(ROOT)))
    assert len(places) > 200, "the walk has found the classes"
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
