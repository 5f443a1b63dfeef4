"""What trainings have made, shared through a DVC remote: a folder, an S3-compatible store, a machine with SSH.

The run cache travels along: it knows which inputs gave which outputs, so what has run anywhere is not run again. Where
the remote is, is a setting; who may use it comes from the environment alone (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`,
an SSH agent), never from a file in the repository.
"""

import subprocess
import sys
from pathlib import Path

_DVC = (sys.executable, "-m", "dvc")

FETCH = (*_DVC, "fetch", "--run-cache")
"""Brings the run cache, and of `dvc.lock`'s outputs what this machine lacks; changes no file of the workspace.

What the remote lacks is no error: its stage makes it."""
PUSH = (*_DVC, "push", "--run-cache")
"""All outputs of the workspace, and the run cache."""
PULL = "--pull"
"""For `dvc repro`: outputs that only the run cache knows are brought when they are needed."""

_OURS = "catalog"
"""What a remote that is given by its URL is called in the workspace's own configuration."""


class RemoteError(RuntimeError):
    """DVC has no such remote; the message is its own."""


def connect(workspace: Path, remote: str) -> None:
    """Make `remote` the workspace's: one that the repository's `.dvc/config` names, or a URL.

    The commands above are for this workspace then. Whoever runs them gives them the environment, and can end them.

    Raises:
        RemoteError: neither.
    """
    if "/" in remote:
        _dvc(workspace, "remote", "add", "--local", "--force", "--default", _OURS, remote)
        return
    known = [line.split()[0] for line in _dvc(workspace, "remote", "list").splitlines() if line.strip()]
    if remote not in known:
        raise RemoteError(f"DVC knows no remote {remote!r} here, only {', '.join(known) or 'none'}; or give its URL")
    _dvc(workspace, "remote", "default", "--local", remote)


def _dvc(workspace: Path, *arguments: str) -> str:
    ran = subprocess.run([*_DVC, *arguments], cwd=workspace, capture_output=True, text=True, check=False)  # noqa: S603
    if ran.returncode:
        raise RemoteError(ran.stderr.strip())
    return ran.stdout
