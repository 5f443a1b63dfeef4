"""Documents are held against the repository: the files and links that they name exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"), ROOT / "models/README.md"])

_CODE_PATH = re.compile(
    r"`((?:api|benchmarks|client|deploy|docs|notebooks|shared|stack|tests|training|worker|\.ci|\.github)/[\w./-]+)`"
)
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
GENERATED = {"data/evaluation/model_card.md", "data/imported/quality.md"}
_PAGE = re.compile(r"`((?:\.\./)?[\w./-]+\.md)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_documents_name_exist(page: Path) -> None:
    assert list(_missing(page)) == []


def test_security_names_modules_and_tests_by_paths_that_exist() -> None:
    """What is said to be met can be looked up: a short name, or one of a file that has moved, is no evidence."""
    named = re.findall(r"`([^`\s]+\.(?:py|yaml|sh))`", (ROOT / "docs/security.md").read_text())
    assert len(named) > 100
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 200


def _missing(page: Path) -> Iterator[str]:
    text = page.read_text()
    yield from (path for path in _CODE_PATH.findall(text) if not (ROOT / path).exists())
    links = [link for link in _LINK.findall(text) if "://" not in link]
    yield from (link for link in links if not (page.parent / link).exists())
    for name in set(_PAGE.findall(text)) - GENERATED:
        if not any((folder / name).exists() for folder in (page.parent, ROOT, ROOT / "docs")):
            yield name
