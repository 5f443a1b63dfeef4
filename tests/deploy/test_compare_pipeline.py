"""`.ci/compare-pipeline`, on a pipeline of one stage that takes no time: real git, real DVC."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci/compare-pipeline"

FILES = {
    ".gitignore": "/.run\n/.venv\n/out\n",
    "dvc.yaml": "stages: {train: {cmd: python train.py, deps: [train.py], params: [epochs], outs: [out]}}\n"
    "metrics: [out/metrics.json]\n",
    "params.yaml": "epochs: 4\n",
    "requirements.lock": "library==1\n",
    "setup_project.sh": "#!/bin/sh\nmkdir -p .venv/bin\n",
    # What the libraries do to the figures is no dependency that DVC knows.
    "train.py": """
import json, pathlib, re
epochs, library = (int(re.search(r"\\d+", open(name).read())[0]) for name in ("params.yaml", "requirements.lock"))
pathlib.Path("out").mkdir()
pathlib.Path("out/metrics.json").write_text(json.dumps({"f1": epochs / 10, "error": library / 100}))
""",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "setup_project.sh").chmod(0o755)
    (tmp_path / ".ci").mkdir()
    shutil.copy(SCRIPT, tmp_path / ".ci")
    for command in (["git", "init", "--quiet"], ["dvc", "init", "--quiet"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    _commit(tmp_path)
    return tmp_path


def test_a_change_of_parameters_is_shown_with_the_figures_it_changes(project: Path) -> None:
    (project / "params.yaml").write_text("epochs: 6\n")
    _commit(project)
    markdown = _compare(project)
    assert _rows(markdown) == [["f1", "0.4", "0.6", "0.2"], ["epochs", "4", "6"]]


def test_a_change_that_changes_no_figure_is_said_to_be_one(project: Path) -> None:
    (project / "README").write_text("new\n")
    _commit(project)
    markdown = _compare(project)
    assert "No figure differs." in markdown
    assert "No parameter differs." in markdown
    assert "|" not in markdown


def test_other_libraries_are_tried_and_not_taken_from_the_run_cache(project: Path) -> None:
    (project / "requirements.lock").write_text("library==3\n")
    _commit(project)
    assert _rows(_compare(project)) == [["error", "0.01", "0.03", "0.02"]]


def test_a_base_that_fails_is_no_obstacle_to_its_repair(project: Path) -> None:
    (project / "train.py").write_text("raise SystemExit(1)")
    _commit(project)
    (project / "train.py").write_text(FILES["train.py"])
    _commit(project)
    markdown = _compare(project)
    assert "The base, `" in markdown
    assert "`, fails. With `" in markdown
    assert "0.4" in markdown


def test_a_head_that_fails_fails_the_comparison(project: Path) -> None:
    (project / "train.py").write_text("raise SystemExit(1)")
    _commit(project)
    with pytest.raises(subprocess.CalledProcessError):
        _compare(project)


def _commit(project: Path) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    subprocess.run(["git", "add", "--all"], cwd=project, check=True)
    subprocess.run(["git", *identity, "commit", "--quiet", "--message", "change"], cwd=project, check=True)


def _compare(project: Path) -> str:
    command = [".ci/compare-pipeline", "HEAD^1"]
    return subprocess.run(command, cwd=project, check=True, capture_output=True, text=True).stdout


def _rows(markdown: str) -> list[list[str]]:
    """The cells of all tables, without their heads."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines() if "|" in line]
    return [row for row in rows if row[0] not in ("Metric", "Param") and not row[0].startswith("---")]
