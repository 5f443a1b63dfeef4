"""Every package says what lives there and names its face; nobody outside imports anything else of it."""

import ast
from collections.abc import Iterable
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from typing import NamedTuple

import pytest

from shared.settings import ROOT

_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

TOWERS = ("api", "shared", "stack", "training", "worker")


class Import(NamedTuple):
    """One imported name."""

    line: int
    module: str
    name: str


def _dotted(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _files(folders: Iterable[str]) -> dict[str, Path]:
    return {_dotted(file): file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))}


FILES, USERS = _files(TOWERS), _files(("benchmarks", "tests"))
PACKAGES = {name: file for name, file in FILES.items() if file.name == "__init__.py" and name not in TOWERS}


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _face(package: str) -> set[str]:
    """The names in the package's `__all__`."""
    for node in _tree(PACKAGES[package]).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            assert len(names) == len(set(names)), f"{package}.__all__ names something twice"
            return set(names)
    raise AssertionError(f"{package} has no __all__: list its face, which is what others may import of it")


@cache
def _imports(name: str, file: Path) -> tuple[Import, ...]:
    """All names imported in a file, and the attributes used of the packages imported there."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    imports, packages = [], {}
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                imports.append(Import(node.lineno, module, alias.name))
                if f"{module}.{alias.name}" in PACKAGES:
                    packages[alias.asname or alias.name] = f"{module}.{alias.name}"
    attributes = (
        Import(node.lineno, packages[node.value.id], node.attr)
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in packages
    )
    return (*imports, *attributes)


def _modules(package: str) -> set[str]:
    depth = package.count(".") + 1
    return {name.split(".")[depth] for name in FILES if name.startswith(f"{package}.")}


def _inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _used_outside(package: str, files: dict[str, Path]) -> dict[str, list[str]]:
    """What of the package is imported outside of it: the first name below the package, and where."""
    used: dict[str, list[str]] = {}
    for name, file in files.items():
        if _inside(name, package):
            continue
        for found in _imports(name, file):
            if _inside(found.module, package):
                part = [*found.module.split("."), found.name][package.count(".") + 1]
                used.setdefault(part, []).append(f"{file.relative_to(ROOT)}:{found.line}")
    return used


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_lives_there(package: str) -> None:
    assert ast.get_docstring(_tree(PACKAGES[package])), f"{package} has no docstring"


@pytest.mark.parametrize("package", PACKAGES)
def test_only_the_face_of_a_package_is_imported(package: str) -> None:
    face = _face(package)
    hidden = {part: places for part, places in _used_outside(package, FILES).items() if part not in face}
    assert not hidden, f"{package}.__all__ does not name what these import: {hidden}"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_face_of_a_package_is_used(package: str) -> None:
    """A name that nobody imports is no part of the face; a program is started instead (`python -m`, an entry point)."""
    idle = _face(package) - _used_outside(package, FILES | USERS).keys() - _programs(package)
    assert not idle, f"nobody outside imports these names of {package}.__all__: {sorted(idle)}"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_face_of_a_package_is_there(package: str) -> None:
    names = {node.name for node in _tree(PACKAGES[package]).body if isinstance(node, _DEFINITIONS)}
    for node in ast.walk(_tree(PACKAGES[package])):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    missing = _face(package) - names - _modules(package)
    assert not missing, f"{package}.__all__ names what is not there: {sorted(missing)}"


def _programs(package: str) -> set[str]:
    return {
        name.rpartition(".")[2]
        for name, file in FILES.items()
        if name.rpartition(".")[0] == package and "def main(" in file.read_text(encoding="utf-8")
    }
