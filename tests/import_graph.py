"""Which files a module's import runs, to hold lists of code against."""

import ast
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import grimp

from shared.settings import ROOT

_OURS = ("api", "benchmarks", "catalog_client", "shared", "stack", "training", "worker")


def code_behind(modules: Iterable[str], without: Iterable[str] = ()) -> set[str]:
    """The files that importing `modules` runs, relative to the repository's root.

    Imports within functions count, and so do the packages that a module lies in; a package whose `__init__.py` holds
    only its docstring and its face is left out.

    Args:
        without: Files and folders to leave out, together with what is imported by nothing else.
    """
    excluded = tuple(without)
    found: set[str] = set()
    pending = list(modules)
    while pending:
        module = pending.pop()
        file = _file_of(module)
        if file in found or covered(file, excluded):
            continue
        found.add(file)
        pending += _graph().find_modules_directly_imported_by(module)
        if package := module.rpartition(".")[0]:
            pending.append(package)
    return {file for file in found if not _is_without_code(file)}


def packages_behind(modules: Iterable[str], without: Iterable[str] = ()) -> set[str]:
    """The packages of others that this code imports, by the names of their modules."""
    found = set()
    for file in code_behind(modules, without):
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - set(_OURS)


def covered(file: str, paths: Iterable[str]) -> bool:
    """Whether the file is one of the paths or lies below one."""
    return any(file == path or file.startswith(f"{path}/") for path in paths)


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph(*_OURS, cache_dir=None)


def _file_of(module: str) -> str:
    path = Path(*module.split("."))
    if module.partition(".")[0] == "catalog_client":
        path = "client" / path
    return str(path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py"))


def _is_without_code(file: str) -> bool:
    """Whether the file is empty but for a docstring and `__all__`."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    statements = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
    return all(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__" for node in statements)
