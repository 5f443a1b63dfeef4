"""MLflow: each training is a parent run with the child runs `text`, `image` and `fusion`; evaluations resume them."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from pydantic import BaseModel, ConfigDict

from shared.model.bundle import Bundle
from shared.pipeline.params import PATH, TrainParams
from shared.pipeline.stages import GateVerdict
from shared.pipeline.workspace import WorkspaceError, git
from shared.registry.mlflow import client, ensure_experiment
from shared.settings import get_settings
from training.pipeline.layout import HISTORY, LABELS

EXPERIMENT = "rakuten-classification"
RUN_FILE = "run.json"
PIPELINE = Path("pipeline")
"""The folder of a run's artefacts that holds what its revision needs to be run again: `training.rebuild` reads it."""
_PIPELINE_FILES = (Path("dvc.lock"), PATH, LABELS.with_name(f"{LABELS.name}.dvc"))
RESTORED_FROM = "restored_from"
"""The tag of a run that stands in for another store's: its value is that one's id."""


class RunIds(BaseModel):
    """What `run.json` holds."""

    model_config = ConfigDict(frozen=True)

    parent: str
    children: dict[str, str]
    """By branch; the fusion counts as one."""


class TrainingRun:
    """A training's runs; the parent is open."""

    def __init__(self, parent: str, children: Mapping[str, str]) -> None:
        self._parent = parent
        self._children = dict(children)

    @property
    def ids(self) -> RunIds:
        return RunIds(parent=self._parent, children=self._children)

    def log_training(self, bundle: Bundle, params: TrainParams, history: pd.DataFrame) -> None:
        """The bundle and its figures, on the parent; each branch's share of them, on a child run of its own."""
        manifest = bundle.manifest
        tags = {"bundle": bundle.id, "data": manifest.data, "code": manifest.code}
        mlflow.set_tags(tags)
        mlflow.log_metrics(dict(_flat(manifest.metrics, "validation.")))
        mlflow.log_artifacts(str(bundle.folder), artifact_path="bundle")
        for branch, section in {"text": params.text, "image": params.image, "fusion": params.review}.items():
            with mlflow.start_run(experiment_id=_experiment(), run_name=branch, nested=True, tags=tags) as child:
                self._children[branch] = child.info.run_id
                mlflow.log_params(dict(_flat(section.model_dump())))
                _log_epochs(history[history["branch"] == branch])
                _log_epochs(history[history["branch"] == f"{branch}-teacher"], "teacher.")
                mlflow.log_metrics(dict(_flat(manifest.metrics[branch], "validation.")))

    def log_evaluation(self, metrics: Mapping[str, Mapping[str, float]], report: Path) -> None:
        """All figures and the report's files on the parent, each branch's figures on its child."""
        mlflow.set_tag("dvc.lock.evaluate", _dvc_lock_digest())
        for path in _PIPELINE_FILES:
            if path.is_file():
                mlflow.log_artifact(str(path), (PIPELINE / path.parent).as_posix())
        mlflow.log_metrics(dict(_flat(metrics, "test.")))
        mlflow.log_artifacts(str(report), artifact_path="report")
        for branch, run_id in self._children.items():
            with mlflow.start_run(run_id=run_id, nested=True):
                mlflow.log_metrics(dict(_flat(metrics[branch], "test.")))

    def log_verdict(self, verdict: GateVerdict) -> None:
        """The gate's figures and its whole verdict, on the parent."""
        mlflow.set_tag("gate", "passed" if verdict.passed else "failed")
        mlflow.log_metrics(dict(_flat({check.name: check.figures for check in verdict.checks}, "gate.")))
        mlflow.log_dict(verdict.model_dump(mode="json"), "gate/verdict.json")


@contextmanager
def start(params: TrainParams, tags: Mapping[str, str] | None = None) -> Iterator[TrainingRun]:
    """A new training, its parent run open; it ends as FAILED where an error passes."""
    mlflow.set_tracking_uri(get_settings().mlflow_tracking_uri)
    begun = {"code": git_revision(), "dvc.lock": _dvc_lock_digest(), **(tags or {})}
    with mlflow.start_run(experiment_id=_experiment(), tags=begun) as parent:
        mlflow.log_params(dict(_flat(params.model_dump())))
        yield TrainingRun(parent.info.run_id, {})


@contextmanager
def resume(report: Path, bundle: Bundle, params: TrainParams) -> Iterator[TrainingRun]:
    """The training that left `report`, its parent run open again; it ends as FAILED where an error passes.

    DVC's run cache brings a training's files to machines whose MLflow has never seen it: there its runs are made anew
    from the files, with the tag `restored_from`.
    """
    mlflow.set_tracking_uri(get_settings().mlflow_tracking_uri)
    left = RunIds.model_validate_json((report / RUN_FILE).read_bytes())
    known = left if _exists(left.parent) else _restored(left)
    if known is None:
        with start(params, {RESTORED_FROM: left.parent}) as run:
            run.log_training(bundle, params, pd.read_csv(report / HISTORY))
            yield run
    else:
        with mlflow.start_run(run_id=known.parent):
            yield TrainingRun(known.parent, known.children)


def git_revision() -> str:
    """HEAD, with `-dirty` where tracked files differ; `unknown` outside a repository.

    `dvc.lock` does not count: the very run that asks is about to change it.
    """
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock")
    return (_git("rev-parse", "HEAD") or "unknown") + ("-dirty" if changed else "")


def _experiment() -> str:
    return ensure_experiment(EXPERIMENT)


def _exists(run_id: str) -> bool:
    try:
        return str(client().get_run(run_id).info.lifecycle_stage) == LifecycleStage.ACTIVE
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False


def _restored(left: RunIds) -> RunIds | None:
    """The runs that stand in for those, where an evaluation has made all of them before."""
    for parent in client().search_runs([_experiment()], f"tags.{RESTORED_FROM} = '{left.parent}'"):
        run_id = parent.info.run_id
        children = client().search_runs([_experiment()], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}'")
        found = {str(child.info.run_name): str(child.info.run_id) for child in children}
        if found.keys() == left.children.keys():
            return RunIds(parent=run_id, children=found)
    return None


def _log_epochs(history: pd.DataFrame, prefix: str = "") -> None:
    for epoch in history.drop(columns="branch").to_dict(orient="records"):
        step = int(epoch.pop("epoch"))
        mlflow.log_metrics({f"{prefix}{name}": float(value) for name, value in epoch.items()}, step=step)


def _git(*arguments: str) -> str:
    """What git prints; nothing where it fails."""
    try:
        return git(Path(), "--no-optional-locks", *arguments)
    except WorkspaceError:
        return ""


def _dvc_lock_digest() -> str:
    path = Path("dvc.lock")
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "none"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
