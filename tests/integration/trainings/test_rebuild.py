"""A bundle is made again from what its run has recorded."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Trained
from tests.workspace import Workspace

STRANGE = """
from shared.registry.mlflow import client, state
client().log_text(state().find("1").run_id, "stages: {}", "pipeline/dvc.yaml")
"""
"""A file beside those of the record, by somebody who reaches MLflow: its commands must not be run."""


@pytest.mark.parametrize("name", ["1", "bundle"])
def test_a_registered_bundle_is_rebuilt_from_its_record(
    workspace: Workspace, trained: Trained, tmp_path: Path, name: str
) -> None:
    origin = workspace.copy(tmp_path / "origin")
    origin.set_params({"train": {"text": {"epochs": 1}}})  # what lies there now is not what was trained
    origin.python("-c", STRANGE)
    told = origin.run("training.rebuild", trained.bundle.id if name == "bundle" else name, "--into", "again")
    assert f"made bundle {trained.bundle.id}" in told
    assert "the changes in that tree are in no revision" in told  # the fixture's parameters
    assert told.splitlines()[-1].startswith("the same bundle")


def test_rebuild_refuses_unknown_names_and_existing_folders(workspace: Workspace, tmp_path: Path) -> None:
    origin = workspace.copy(tmp_path / "origin")
    for asked, reason in (("99", "neither a version, a bundle nor a run 99"), ("1", "exists")):
        (origin.folder / "there").mkdir(exist_ok=True)
        command = [sys.executable, "-m", "training.rebuild", asked, "--into", "there"]
        ran = subprocess.run(command, cwd=origin.folder, capture_output=True, text=True, check=False)
        assert ran.returncode == 1
        assert reason in ran.stderr
