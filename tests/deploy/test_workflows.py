"""GitHub's workflows: valid, pinned, with the least permissions, and calling what there is; and the shell scripts."""

import subprocess
from pathlib import Path

import pytest

from tests.deploy import workflows
from tests.deploy.workflows import run

ROOT = Path(__file__).parents[2]

BAD = """
name: bad
on: pull_request_target
jobs:
  build:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v7
      - uses: actions/cache@55cc8345863c7cc4c66a329aec7e433d2d1c52a9
      - run: |
          make lint nonsense
          echo $UNQUOTED ${{ github.event.pull_request.title }}
"""


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A repository whose only workflow does everything wrong."""
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/bad.yml").write_text(BAD)
    (tmp_path / "Makefile").write_text("lint:\n\ttrue\n")
    return tmp_path


def test_workflows_and_actions_follow_their_schemas(bad: Path) -> None:
    assert list(workflows.schemas(ROOT)) == []
    (bad / ".github/workflows/bad.yml").write_text(BAD.replace("runs-on", "runs-upon"))
    assert "runs-upon" in "".join(workflows.schemas(bad))


def test_zizmor_finds_nothing(bad: Path) -> None:
    assert list(workflows.security(ROOT)) == []
    found = "".join(workflows.security(bad))
    for expected in ("dangerous-triggers", "template-injection", "excessive-permissions", "artipacked"):
        assert expected in found


def test_every_action_is_pinned_to_a_commit_and_says_its_version(bad: Path) -> None:
    assert list(workflows.pins(ROOT)) == []
    assert list(workflows.pins(bad)) == [
        "bad.yml:8: uses: actions/checkout@v7",
        "bad.yml:9: uses: actions/cache@55cc8345863c7cc4c66a329aec7e433d2d1c52a9",
    ]


def test_every_job_has_an_end_and_names_its_permissions(bad: Path) -> None:
    assert list(workflows.bounds(ROOT)) == []
    assert len(list(workflows.bounds(bad))) == 3


def test_what_the_workflows_call_exists(bad: Path) -> None:
    assert list(workflows.targets(ROOT)) == []
    assert list(workflows.targets(bad)) == ["bad.yml, build: make nonsense"]


def test_the_workflows_commands_pass_shellcheck(bad: Path, tmp_path: Path) -> None:
    assert list(workflows.shell(ROOT, tmp_path)) == []
    assert "SC2086" in "".join(workflows.shell(bad, tmp_path))


def test_every_image_of_the_dockerfile_is_published(tmp_path: Path) -> None:
    assert list(workflows.images(ROOT)) == []
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/images.yml").write_text((ROOT / ".github/workflows/images.yml").read_text())
    (tmp_path / "Dockerfile").write_text((ROOT / "Dockerfile").read_text() + "\nFROM python AS forgotten\n")
    assert "forgotten" in "".join(workflows.images(tmp_path))


def test_every_supported_version_of_python_is_tested(tmp_path: Path) -> None:
    assert list(workflows.pythons(ROOT)) == []
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/checks.yml").write_text((ROOT / ".github/workflows/checks.yml").read_text())
    (tmp_path / "pyproject.toml").write_text('[project]\nrequires-python = ">=3.11,<3.15"\n')
    assert "3.14" in "".join(workflows.pythons(tmp_path))


def test_dependabots_file_follows_its_schema() -> None:
    file = ROOT / ".github/dependabot.yml"
    checked = run("check-jsonschema", "--builtin-schema", "vendor.dependabot", file)
    assert checked.returncode == 0, checked.stdout


def test_the_scripts_pass_shellcheck() -> None:
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    scripts = [name for name in tracked.split("\0") if name and _is_shell(ROOT / name)]
    assert {"setup_project.sh", ".ci/run"} <= set(scripts)
    checked = run("shellcheck", *(ROOT / name for name in scripts))
    assert checked.returncode == 0, checked.stdout


def _is_shell(file: Path) -> bool:
    first = file.open("rb").readline() if file.is_file() else b""
    return first.startswith(b"#!") and first.rstrip().endswith((b"bash", b"sh"))
