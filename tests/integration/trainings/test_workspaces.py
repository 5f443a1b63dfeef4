"""Workspaces: clones that trainings and rebuilds work in."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from shared.pipeline.workspace import WorkspaceError, clone, dvc, git, hide_changes
from shared.settings import ROOT
from tests.workspace import Workspace

PARAMS = Path("params.yaml")


@pytest.fixture
def origin(workspace: Workspace, tmp_path: Path) -> Workspace:
    """In a folder whose name has what configurations treat in a way of their own."""
    return workspace.copy(tmp_path / "Téléchargements, 50 % #1 'x'")


def test_a_clone_shares_cache_and_local_configuration(origin: Workspace, tmp_path: Path) -> None:
    origin.run("dvc", "remote", "add", "--local", "ours", str(tmp_path / "remote"))
    folder = tmp_path / "clone"
    clone(origin.folder, "HEAD", folder)
    assert git(folder, "rev-parse", "HEAD") == git(origin.folder, "rev-parse", "HEAD")
    assert Path(dvc(folder, "cache", "dir")) == origin.folder / ".dvc/cache"
    assert "ours" in dvc(folder, "remote", "list")


def test_an_archive_without_git_runs_the_stages(origin: Workspace, tmp_path: Path) -> None:
    """What GitHub offers as a ZIP."""
    folder = tmp_path / "unpacked"
    folder.mkdir()
    origin.git("archive", "--format", "tar", "--output", str(tmp_path / "archive.tar"), "HEAD")
    shutil.unpack_archive(tmp_path / "archive.tar", folder)
    archive = Workspace(folder)
    archive.python("-c", "import dvc.repo; assert dvc.repo.Repo().config['core']['no_scm']")
    archive.run("training.sample.catalogue", "unlabelled")
    archive.run("dvc", "repro", "import_data")
    assert (folder / "dvc.lock").is_file()
    with pytest.raises(WorkspaceError, match=r"not a git repository that trainings could clone: .*git init"):
        clone(folder, "HEAD", tmp_path / "clone")


def test_containers_make_a_commit_of_a_folder_without_git(tmp_path: Path) -> None:
    """Each start takes up what has changed there."""
    source, folder = tmp_path / "sans git", tmp_path / "clone"
    source.mkdir()
    (source / ".gitignore").write_text("ignored\n")
    for name in ("ignored", "a.txt", "a.txt", "b.txt"):
        (source / name).write_text("made up")
        subprocess.run([ROOT / "deploy/containers/clone.sh", source, folder], check=True)
    assert sorted(path.name for path in folder.iterdir()) == [".git", ".gitignore", "a.txt", "b.txt"]
    assert git(folder, "rev-list", "--count", "HEAD") == "3"
    assert git(folder, "status", "--porcelain") == ""


def test_a_missing_git_is_named(origin: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", {**os.environ, "PATH": str(tmp_path)})
    with pytest.raises(WorkspaceError, match="the program git is not installed"):
        git(origin.folder, "status")


def test_hidden_changes_leave_the_tree_clean(origin: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    clone(origin.folder, "HEAD", folder)
    (folder / PARAMS).write_text("changed: yes\n")
    assert git(folder, "status", "--porcelain") != ""
    hide_changes(folder, PARAMS)
    assert git(folder, "status", "--porcelain") == ""


def test_a_clone_needs_a_repository_and_a_revision(origin: Workspace, tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="the repository has no revision 'nowhere'"):
        clone(origin.folder, "nowhere", tmp_path / "clone")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(WorkspaceError, match=r"nothing is not a git repository that .*rev-parse"):
        clone(tmp_path / "nothing", "HEAD", tmp_path / "clone")
    assert not (tmp_path / "clone").exists()


def test_a_failing_command_is_named_with_what_it_printed(origin: Workspace) -> None:
    with pytest.raises(WorkspaceError, match=r"^dvc stage list: "):
        dvc(origin.folder.parent, "stage", "list")
