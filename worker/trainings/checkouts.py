"""The folder that each training has for itself: a workspace, its log and its progress."""

import json
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from shared.ledger import TrainingRequest
from shared.pipeline import workspace
from shared.pipeline.dvc_remote import connect
from shared.pipeline.params import PATH, check_no_places, overridden
from shared.pipeline.stages import FEATURE_STORE, FETCHED, LAST_IMPORTS, LIST_INPUTS, SOURCE_CHANGES
from shared.pipeline.workspace import WorkspaceError
from shared.settings import Settings
from shared.stores.labels import LabelStore
from worker.trainings import label_snapshot
from worker.trainings.label_snapshot import LabelSnapshot

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkout:
    """The folder of one training."""

    home: Path

    @property
    def repository(self) -> Path:
        """The workspace, which exists once it is complete."""
        return self.home / "repository"

    @property
    def log(self) -> Path:
        return self.home / "log.txt"

    @property
    def progress(self) -> Path:
        return self.home / "progress.jsonl"

    @property
    def conditions(self) -> Path:
        """The gate's conditions, which the revision that is trained has no part in."""
        return self.home / "conditions.yaml"

    @property
    def exists(self) -> bool:
        return self.repository.exists()

    @property
    def revision(self) -> str:
        """The commit that is checked out."""
        return workspace.git(self.repository, "rev-parse", "HEAD")

    @property
    def labels(self) -> LabelSnapshot:
        """The labels that were copied when it was made."""
        return label_snapshot.snapshot_in(self.repository)

    @property
    def lists_inputs(self) -> bool:
        """Whether the revision's pipeline lists what lies outside git and DVC; an older one's does not."""
        pipeline = yaml.safe_load((self.repository / "dvc.yaml").read_text(encoding="utf-8"))
        return LIST_INPUTS in pipeline["stages"]

    @property
    def source_changes(self) -> dict[str, Any] | None:
        """How many products and files the source has, and what is new, changed and gone; `None` if it is not known."""
        try:
            changes = json.loads((self.repository / SOURCE_CHANGES).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return changes if isinstance(changes, dict) else None


def workspace_of(settings: Settings, training: str) -> Checkout:
    return Checkout(settings.training_workspaces.resolve() / training)


def check_out(checkout: Checkout, request: TrainingRequest, settings: Settings) -> None:
    """Make the training's workspace, whole or not at all, with the labels that are in the store at this moment.

    Raises:
        WorkspaceError: `CATALOG_TRAINING_REPOSITORY` is no repository, or lacks the revision or the remote; the request
            names a source that this trainer does not know, or holds a path.
        OSError: The store of labels cannot be reached, or the disk is full.
    """
    sources, repository = _sources(request, settings), settings.training_repository.resolve()
    unfinished = checkout.home / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    checkout.home.mkdir(parents=True, exist_ok=True)
    workspace.clone(repository, request.revision or "HEAD", unfinished)
    for kept in (FEATURE_STORE, FETCHED, LAST_IMPORTS):
        _share(kept, repository, unfinished)
    if settings.dvc_remote is not None:
        connect(unfinished, settings.dvc_remote)
    _set_params(repository, unfinished, request.params, sources)
    label_snapshot.take(LabelStore(settings.labels_url), unfinished)
    unfinished.rename(checkout.repository)


def write_conditions(checkout: Checkout, request: TrainingRequest, settings: Settings) -> Path:
    """Write the gate's conditions of the repository's HEAD, with a request's overrides; returns the file.

    A request may name another revision, but not have that revision's conditions judge it.

    Raises:
        WorkspaceError: git cannot read them.
    """
    standing = yaml.safe_load(workspace.git(settings.training_repository.resolve(), "show", f"HEAD:{PATH}"))
    conditions = overridden({"gate": standing["gate"]}, {"gate": request.params.get("gate", {})})
    checkout.conditions.write_text(yaml.safe_dump(conditions, sort_keys=False), encoding="utf-8")
    return checkout.conditions


def prune(settings: Settings, ended: Callable[[str], bool]) -> None:
    """Remove the folders of ended trainings, except the `training_kept` that were used last."""
    folder = settings.training_workspaces
    homes = sorted(folder.iterdir(), key=lambda home: home.stat().st_mtime, reverse=True) if folder.exists() else []
    for home in [home for home in homes if ended(home.name)][settings.training_kept :]:
        shutil.rmtree(home, ignore_errors=True)
        log.info("the workspace of training %s is removed", home.name)


def _share(kept: Path, repository: Path, clone: Path) -> None:
    """Let the clone use a folder of the repository that is the output of no stage."""
    (repository / kept).mkdir(parents=True, exist_ok=True)
    (clone / kept).parent.mkdir(parents=True, exist_ok=True)
    (clone / kept).symlink_to(repository / kept, target_is_directory=True)


def _sources(request: TrainingRequest, settings: Settings) -> dict[str, Any]:
    """Return the parameters that say where the sources lie that the request names.

    The API has refused a request with a path or an unknown name. It may know other names than this trainer, though,
    and Redis may hold what no API of this release has accepted.

    Raises:
        WorkspaceError: A name is unknown here, or a parameter holds a path.
    """
    try:
        check_no_places(request.params)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise WorkspaceError(f"the parameters of the request are refused: {wrong}") from None
    located: dict[str, Any] = {}
    if request.source is not None:
        located["source"] = _place(request.source, settings)
    if request.unlabelled:
        located["unlabelled"] = [_place(name, settings) for name in request.unlabelled]
    return located


def _place(name: str, settings: Settings) -> str:
    if (place := settings.training_sources.get(name)) is None:
        raise WorkspaceError(
            f"this trainer knows no source {name[:64]!r}: set CATALOG_TRAINING_SOURCES for the trainers as for the API"
        )
    return place


def _set_params(repository: Path, clone: Path, overrides: Mapping[str, Any], sources: Mapping[str, Any]) -> None:
    """Write the request's overrides and sources into the clone's params.yaml.

    They are on the training's record, so git need not call the tree changed for them.
    """
    path = clone / PATH
    before = yaml.safe_load(path.read_text(encoding="utf-8"))
    values = overridden(overridden(before, overrides), {"import_data": sources})
    if "source" in sources:  # what params.yaml names beside its own source belongs to that alone
        beside = {name: None for name in ("taxonomy", "pictures") if name in before["import_data"]}
        values = overridden(values, {"import_data": beside})
    values = overridden(values, {"import_data": _located(values["import_data"], repository, clone)})
    if values == before:
        return
    path.write_text(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), encoding="utf-8")
    workspace.hide_changes(clone, PATH)


def _located(params: Mapping[str, Any], repository: Path, clone: Path) -> dict[str, Any]:
    """Point to the repository's own folder for files that git does not hold; params.yaml may name them so."""

    def find(place: str) -> str:
        elsewhere = "://" in place or (clone / place).exists() or not (repository / place).exists()
        return place if elsewhere else str(repository / place)

    located: dict[str, Any] = {}
    for name in ("source", "taxonomy", "pictures"):
        if place := params.get(name):
            located[name] = find(place)
    if unlabelled := params.get("unlabelled"):
        located["unlabelled"] = [find(place) for place in unlabelled]
    return located
