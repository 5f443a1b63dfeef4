"""What a training says of a full disk, and that it says so of nothing else."""

import errno
import os
from pathlib import Path

import pytest

from shared.pipeline.workspace import WorkspaceError
from shared.settings import Settings
from worker.trainings.full_disk import full_disk
from worker.trainings.run import StageError


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(training_workspaces=tmp_path / "not yet there", training_repository=tmp_path, model_cache=tmp_path)


def test_a_file_without_room_names_its_disk(settings: Settings, tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "file"))
    told = full_disk(error, settings)
    assert told is not None
    assert told.startswith(f"the disk of {tmp_path} is full (")
    assert "MB free): make room there" in told
    assert full_disk(OSError(errno.EDQUOT, "quota", str(tmp_path / "file")), settings) is not None


@pytest.mark.parametrize(
    "error",
    [
        WorkspaceError("git checkout --quiet: error: unable to write file a: No space left on device\nfatal: b"),
        WorkspaceError("git checkout: error: copy-fd: write returned: error. Out of diskspace"),
        StageError("train", "the stage train ended with status 1:\nOSError: [Errno 28] No space left on device"),
        StageError("train", "ERROR: unexpected error - [Errno 122] Disk quota exceeded"),
    ],
)
def test_no_program_s_lines_are_told_of_a_full_disk(error: Exception, settings: Settings) -> None:
    told = full_disk(error, settings)
    assert told is not None
    assert "is full (" in told
    assert not any(word in told for word in ("fatal", "Errno", "git", "Disk quota"))


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "no"), WorkspaceError("the repository has no revision 'x'"), ValueError("28")]
)
def test_another_failure_is_no_full_disk(error: Exception, settings: Settings) -> None:
    assert full_disk(error, settings) is None
