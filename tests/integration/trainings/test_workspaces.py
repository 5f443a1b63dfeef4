"""Workspaces: clones that trainings and rebuilds work in."""

from pathlib import Path

import pytest

from shared.pipeline.workspace import WorkspaceError, clone, dvc, git, hide_changes
from tests.workspace import Workspace

PARAMS = Path("params.yaml")


@pytest.fixture
def origin(workspace: Workspace, tmp_path: Path) -> Workspace:
    return workspace.copy(tmp_path / "origin")


def test_a_clone_shares_cache_and_local_configuration(origin: Workspace, tmp_path: Path) -> None:
    origin.run("dvc", "remote", "add", "--local", "ours", str(tmp_path / "remote"))
    folder = tmp_path / "clone"
    clone(origin.folder, "HEAD", folder)
    assert git(folder, "rev-parse", "HEAD") == git(origin.folder, "rev-parse", "HEAD")
    assert Path(dvc(folder, "cache", "dir")) == origin.folder / ".dvc/cache"
    assert "ours" in dvc(folder, "remote", "list")


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
    with pytest.raises(WorkspaceError, match=r"nothing is not a git repository: .*rev-parse"):
        clone(tmp_path / "nothing", "HEAD", tmp_path / "clone")
    assert not (tmp_path / "clone").exists()


def test_a_failing_command_is_named_with_what_it_printed(origin: Workspace) -> None:
    with pytest.raises(WorkspaceError, match=r"^dvc stage list: "):
        dvc(origin.folder.parent, "stage", "list")
