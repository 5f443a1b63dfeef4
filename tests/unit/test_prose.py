"""The check of English in `make lint`: clean in this repository, and it finds what it is meant to find."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]

BAD = '''"""Of one item."""

limit = 3  # so
# many items are in hand
message = "A key, for people: whoever has it"
'''


def test_the_repositorys_text_is_clean() -> None:
    checked = _prose(ROOT)
    assert checked.returncode == 0, checked.stdout


def test_each_problem_is_named_with_its_place_and_an_alternative(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD)
    (tmp_path / "bad.md").write_text(f"{'word ' * 30}\n\n    {'code ' * 30}\n\n| {'table ' * 30}|\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "--all"], cwd=tmp_path, check=True)
    checked = _prose(tmp_path)
    assert checked.returncode == 1
    assert checked.stdout.splitlines() == [
        "bad.md:1: longer than 120 characters",
        "bad.py:3: 'so # many': write 'this many', or name the number",
        "bad.py:5: 'for people': write 'human-readable', or name the reader",
        "bad.py:5: 'whoever': name the person or process",
        "bad.py:4: 'in hand': write 'being processed', 'held' or 'leased'",
        'bad.py:1: \'"""Of one item."""\': begin the docstring with a noun or a verb',
    ]


def test_so_many_that_is_idiomatic(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("There are so many jobs that one Redis step counts them.\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "--all"], cwd=tmp_path, check=True)
    assert _prose(tmp_path).returncode == 0


def _prose(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([ROOT / ".ci/prose", folder], capture_output=True, text=True, check=False)
