"""A folder of its own for each training: a clone of the repository at a revision, with DVC's cache shared."""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shared.ledger import TrainingRequest
from shared.pipeline import dvc_remote as remote
from shared.pipeline.params import PATH, overridden
from shared.pipeline.stages import FEATURE_STORE
from shared.settings import Settings
from shared.stores.labels import LabelStore
from worker.trainings import label_snapshot
from worker.trainings.label_snapshot import DataSeen, SnapshotError

log = logging.getLogger(__name__)

_PATIENCE_S = 600


class CheckoutError(RuntimeError):
    """The repository cannot be checked out as was asked; the message says why."""


@dataclass(frozen=True)
class Checkout:
    """A training's folder."""

    home: Path

    @property
    def repository(self) -> Path:
        """The clone, there once it is complete."""
        return self.home / "repository"

    @property
    def log(self) -> Path:
        return self.home / "log.txt"

    @property
    def progress(self) -> Path:
        return self.home / "progress.jsonl"

    @property
    def exists(self) -> bool:
        return self.repository.exists()

    @property
    def revision(self) -> str:
        """The commit that is checked out."""
        return _git(self.repository, "rev-parse", "HEAD")

    @property
    def labels(self) -> DataSeen:
        """Those that were there when it was made."""
        return label_snapshot.seen(self.repository)


def workspace_of(settings: Settings, training: str) -> Checkout:
    return Checkout(settings.training_workspaces.resolve() / training)


def check_out(checkout: Checkout, request: TrainingRequest, settings: Settings) -> None:
    """All of it or nothing, with the labels of this moment; the repository's own working tree is not touched.

    Raises:
        CheckoutError: the repository is none, or has no such revision or remote.
        OSError: the store of labels is away, or the disk is full.
    """
    repository = settings.training_repository.resolve()
    unfinished = checkout.home / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    checkout.home.mkdir(parents=True, exist_ok=True)
    revision = _commit(repository, request.revision or "HEAD")
    _git(checkout.home, "clone", "--quiet", "--shared", "--no-checkout", str(repository), unfinished.name)
    _git(unfinished, "checkout", "--quiet", "--detach", revision)
    _share_cache(repository, unfinished)
    _share_features(repository, unfinished)
    if settings.dvc_remote is not None:
        _connect(unfinished, settings.dvc_remote)
    _set_params(repository, unfinished, request)
    try:
        label_snapshot.take(LabelStore(settings.labels_url), unfinished)
    except SnapshotError as error:
        raise CheckoutError(f"the labels cannot be taken along: {error}") from error
    unfinished.rename(checkout.repository)


def prune(settings: Settings, ended: Callable[[str], bool]) -> None:
    """Remove the workspaces of ended trainings, but for the `training_kept` that were used last."""
    folder = settings.training_workspaces
    homes = sorted(folder.iterdir(), key=lambda home: home.stat().st_mtime, reverse=True) if folder.exists() else []
    for home in [home for home in homes if ended(home.name)][settings.training_kept :]:
        shutil.rmtree(home, ignore_errors=True)
        log.info("the workspace of training %s is removed", home.name)


def tool_env() -> dict[str, str]:
    """An environment in which `python`, which the stages call, is ours."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _commit(repository: Path, revision: str) -> str:
    try:
        _git(repository, "rev-parse", "--git-dir")
    except CheckoutError as error:
        raise CheckoutError(f"CATALOG_TRAINING_REPOSITORY: {repository} is no git repository: {error}") from error
    try:
        return _git(repository, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    except CheckoutError as error:
        raise CheckoutError(f"the repository has no revision {revision!r}") from error


def _share_cache(repository: Path, clone: Path) -> None:
    """What has run anywhere is known everywhere; the remotes' credentials come along."""
    local = Path(".dvc/config.local")
    if (repository / local).exists():
        shutil.copy2(repository / local, clone / local)
    cache = _run([sys.executable, "-m", "dvc", "cache", "dir"], repository)
    _run([sys.executable, "-m", "dvc", "config", "--local", "cache.dir", str(repository / cache)], clone)


def _share_features(repository: Path, clone: Path) -> None:
    features = repository / FEATURE_STORE
    features.mkdir(parents=True, exist_ok=True)
    (clone / FEATURE_STORE).parent.mkdir(parents=True, exist_ok=True)
    (clone / FEATURE_STORE).symlink_to(features, target_is_directory=True)


def _connect(clone: Path, name: str) -> None:
    try:
        remote.connect(clone, name)
    except remote.RemoteError as error:
        raise CheckoutError(f"CATALOG_DVC_REMOTE: {error}") from error


def _set_params(repository: Path, clone: Path, request: TrainingRequest) -> None:
    """The overrides are on the training's record, so git does not call the tree changed for them."""
    path = clone / PATH
    before = yaml.safe_load(path.read_text(encoding="utf-8"))
    values = overridden(before, request.params)
    if request.source is not None:
        values = overridden(values, {"import_data": {"source": request.source}})
    values = overridden(values, {"import_data": _located(values["import_data"], repository, clone)})
    if values == before:
        return
    path.write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), encoding="utf-8")
    _git(clone, "update-index", "--skip-worktree", str(PATH))


def _located(params: Mapping[str, Any], repository: Path, clone: Path) -> dict[str, Any]:
    """Files that git does not have are in the repository's own folder."""

    def find(place: str) -> str:
        elsewhere = "://" in place or (clone / place).exists() or not (repository / place).exists()
        return place if elsewhere else str(repository / place)

    located: dict[str, Any] = {}
    if source := params.get("source"):
        located["source"] = find(source)
    if unlabelled := params.get("unlabelled"):
        located["unlabelled"] = [find(place) for place in unlabelled]
    return located


def _git(folder: Path, *arguments: str) -> str:
    return _run(["git", *arguments], folder)


def _run(command: list[str], folder: Path) -> str:
    """What the command prints; raises `CheckoutError` with what it says where it fails."""
    try:
        ran = subprocess.run(  # noqa: S603  # ours
            command, cwd=folder, env=tool_env(), capture_output=True, text=True, check=False, timeout=_PATIENCE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CheckoutError(f"{' '.join(command[:4])}: {error}") from error
    if ran.returncode:
        raise CheckoutError(f"{' '.join(command[:4])}: {ran.stderr.strip() or ran.stdout.strip()}")
    return ran.stdout.strip()
