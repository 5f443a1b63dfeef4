"""What one machine has trained reaches another through DVC's remote."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from shared.model.bundle import Bundle
from shared.pipeline.dvc_remote import FETCH, PULL, PUSH, connect
from shared.pipeline.stages import LIST_INPUTS
from shared.pipeline.workspace import WorkspaceError
from tests import seaweedfs
from tests.conftest import Trained
from tests.workspace import Workspace
from training.pipeline.layout import BUNDLE


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with seaweedfs.running(tmp_path_factory.mktemp("s3") / "server") as url:
        yield url


@pytest.fixture(params=["folder", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a remote that is empty at first."""
    if request.param == "folder":
        return str(tmp_path / "dépôt à 50 % #1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3_server"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.SECRET_KEY)
    return f"s3://{seaweedfs.BUCKET}/models"


def test_remote_run_cache_saves_training_again(
    workspace: Workspace, trained: Trained, url: str, tmp_path: Path
) -> None:
    origin = workspace.copy(tmp_path / "origin")
    connect(origin.folder, url)
    run(origin, PUSH)

    with_lock = newcomer(origin, tmp_path / "with-lock")
    shutil.copy2(origin.folder / "dvc.lock", with_lock.folder)
    connect(with_lock.folder, url)
    run(with_lock, FETCH)
    with_lock.run("dvc", "checkout")
    assert Bundle.load(with_lock.folder / BUNDLE).id == trained.bundle.id
    assert stages_run(with_lock.run("dvc", "repro")) == [LIST_INPUTS]

    # A training's checkout: dvc.lock is not in git.
    without = newcomer(origin, tmp_path / "without")
    connect(without.folder, url)
    run(without, FETCH)
    assert stages_run(without.run("dvc", "repro", PULL)) == [LIST_INPUTS]
    assert Bundle.load(without.folder / BUNDLE).id == trained.bundle.id


def test_empty_remote_is_no_error(workspace: Workspace, url: str, tmp_path: Path) -> None:
    there = newcomer(workspace, tmp_path / "there")
    connect(there.folder, f"{url}-empty")
    run(there, FETCH)
    assert not (there.folder / BUNDLE).exists()


def test_a_remote_can_be_one_that_the_repository_names(workspace: Workspace, tmp_path: Path) -> None:
    there = newcomer(workspace, tmp_path / "there")
    there.run("dvc", "remote", "add", "ours", str(tmp_path / "remote"))
    connect(there.folder, "ours")
    assert there.run("dvc", "config", "core.remote").strip() == "ours"
    with pytest.raises(WorkspaceError, match="no remote 'theirs' here, only ours"):
        connect(there.folder, "theirs")


def newcomer(origin: Workspace, folder: Path) -> Workspace:
    """A clone with the origin's parameters, the files that they name, and an empty cache."""
    subprocess.run(["git", "clone", "--quiet", str(origin.folder), str(folder)], check=True)
    shutil.copy2(origin.folder / "params.yaml", folder)
    shutil.copytree(origin.folder / "unlabelled", folder / "unlabelled", dirs_exist_ok=True)
    return Workspace(folder)


def stages_run(told: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", told)


def run(workspace: Workspace, command: Sequence[str]) -> None:
    workspace.python(*command[1:])
