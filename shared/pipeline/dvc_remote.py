"""What trainings make, shared through a DVC remote: a folder, an S3-compatible store, a machine with SSH.

The run cache travels along. It knows which inputs gave which outputs, so a stage that ran on any machine is not run
again. A setting says where the remote is; its credentials come from the environment alone (`AWS_ACCESS_KEY_ID`,
`AWS_ENDPOINT_URL`, an SSH agent), never from a file in the repository.
"""

from pathlib import Path

from shared.pipeline.workspace import DVC, WorkspaceError, configure, dvc

FETCH = (*DVC, "fetch", "--run-cache")
"""The command that brings the run cache, and those of `dvc.lock`'s outputs that this machine lacks.

It changes no file of the workspace. What the remote lacks is no error: its stage makes it."""
PUSH = (*DVC, "push", "--run-cache")
"""The command that sends all outputs of the workspace, and the run cache."""
PULL = "--pull"
"""An option of `dvc repro`: outputs that only the run cache knows are fetched when they are needed."""

_BY_URL = "catalog"
"""The name that the workspace's own configuration gives to a remote that is named by its URL."""


def connect(workspace: Path, remote: str) -> None:
    """Make `remote`, a URL or a name from the repository's `.dvc/config`, the one that the commands above use.

    Raises:
        WorkspaceError: The name is unknown, or DVC refuses the URL.
    """
    if "/" in remote:
        configure(workspace, f'remote "{_BY_URL}"', url=remote)
        configure(workspace, "core", remote=_BY_URL)
        dvc(workspace, "remote", "list")  # checks the URL
        return
    known = [line.split()[0] for line in dvc(workspace, "remote", "list").splitlines() if line.strip()]
    if remote not in known:
        raise WorkspaceError(
            f"CATALOG_DVC_REMOTE: DVC knows no remote {remote!r} here, only {', '.join(known) or 'none'}; "
            "or give its URL"
        )
    configure(workspace, "core", remote=remote)
