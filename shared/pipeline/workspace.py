"""Git and DVC as commands, and workspaces: clones of a repository that share its DVC cache.

Everything here that fails raises `WorkspaceError`, whose message is the command's own.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from shared.pipeline.environment import tool_env
from shared.pipeline.params import without_passwords

DVC = (sys.executable, "-m", "dvc")

_LIMIT_S = 600
"""For a command whose output is awaited; cloning and copying labels take longest."""
_LOCAL_CONFIG = Path(".dvc/config.local")


class WorkspaceError(RuntimeError):
    """A command of git or DVC failed, or the repository lacks what was asked for."""

    def __init__(self, message: str) -> None:
        super().__init__(without_passwords(message))


def clone(repository: Path, revision: str, folder: Path) -> None:
    """Check out a revision of the repository in a new folder, on no branch.

    DVC's cache and local configuration, credentials included, are the repository's, so what ran in one workspace is
    known in all. Git's objects are the repository's too (`--shared`): a workspace is for use on this machine. The
    repository's own working tree is not touched.
    """
    try:
        git(repository, "rev-parse", "--git-dir")
    except WorkspaceError as error:
        raise WorkspaceError(
            f"{repository} is not a git repository that trainings could clone: name one in "
            f"CATALOG_TRAINING_REPOSITORY, or make it one (git init, git add --all, git commit). {error}"
        ) from error
    try:
        commit = git(repository, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    except WorkspaceError as error:
        raise WorkspaceError(f"the repository has no revision {revision!r}") from error
    git(repository, "clone", "--quiet", "--shared", "--no-checkout", str(repository), str(folder))
    git(folder, "checkout", "--quiet", "--detach", commit)
    _share_cache(repository, folder)


def hide_changes(workspace: Path, file: Path) -> None:
    """Have git call the file unchanged: what differs is on record elsewhere, and the tree is not dirty for it."""
    git(workspace, "update-index", "--skip-worktree", str(file))


def git(folder: Path, *arguments: str) -> str:
    """Return what git prints."""
    return _run(["git", *arguments], folder)


def dvc(folder: Path, *arguments: str) -> str:
    """Return what DVC prints."""
    return _run([*DVC, *arguments], folder)


def show(command: list[str], folder: Path, env: Mapping[str, str]) -> None:
    """Run a command that may take hours and prints its progress to our own output."""
    if subprocess.run(command, cwd=folder, env=env, check=False).returncode:  # noqa: S603  # ours
        raise WorkspaceError(f"in {folder}: {' '.join(command)} failed")


def configure(folder: Path, section: str, **options: str) -> None:
    """Set options of DVC in the folder alone; `dvc config` could only write ASCII."""
    from configobj import ConfigObj  # DVC brings it along; the API, which has neither, imports this module

    config = ConfigObj(str(folder / _LOCAL_CONFIG), encoding="utf-8", interpolation=False)
    config.setdefault(section, {}).update(options)
    config.write()


def _share_cache(repository: Path, folder: Path) -> None:
    if (repository / _LOCAL_CONFIG).exists():
        shutil.copy2(repository / _LOCAL_CONFIG, folder / _LOCAL_CONFIG)
    configure(folder, "cache", dir=str(repository / dvc(repository, "cache", "dir")))


def _run(command: list[str], folder: Path) -> str:
    name = " ".join(command[command[0] == sys.executable and 2 :][:3])
    env = {**tool_env(), "LC_ALL": "C.UTF-8"}  # messages in English, whatever the machine speaks
    try:
        ran = subprocess.run(  # noqa: S603  # ours
            command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=_LIMIT_S
        )
    except FileNotFoundError as error:
        missing = (
            f"there is no folder {folder}" if not folder.is_dir() else f"the program {command[0]} is not installed"
        )
        raise WorkspaceError(f"{name}: {missing}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorkspaceError(f"{name}: {error}") from error
    if ran.returncode:
        raise WorkspaceError(f"{name}: {ran.stderr.strip() or ran.stdout.strip()}")
    return ran.stdout.strip()
