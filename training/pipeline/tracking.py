"""MLflow: a training is a parent run with a child run for each of text, image and fusion; evaluations resume them."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import yaml
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from pydantic import BaseModel, ConfigDict

from shared.model.bundle import Bundle
from shared.pipeline.params import PATH, TrainParams, load_params, without_password
from shared.pipeline.stages import GateVerdict
from shared.pipeline.workspace import WorkspaceError, git
from shared.registry.descriptions import NOTE, RESTORED_FROM, verdict_note
from shared.registry.mlflow import client, ensure_experiment, is_refused, page, prepare_client, reason
from shared.registry.waiting import tell_of_waiting
from shared.settings import get_settings
from training.pipeline import progress
from training.pipeline.layout import HISTORY, LABELS, PREPARED

log = logging.getLogger(__name__)

EXPERIMENT = "rakuten-classification"
_ABOUT = (
    "Trainings of the catalogue's classifier, as `dvc repro` runs them. Each is a parent run, named by its time, its "
    "bundle and what differs from the training before, with a child run for each of text, image and fusion. The parent "
    "holds the bundle, the report with its model card, and the comparison with the champion (`gate/comparison.html`)."
)
RUN_FILE = "run.json"
PIPELINE = Path("pipeline")
"""The folder of a run's artefacts with the files that repeat its training; `training.rebuild` reads it."""
PIPELINE_FILES = (Path("dvc.lock"), PATH, LABELS.with_name(f"{LABELS.name}.dvc"))
"""The files in it, by their places in the repository."""
BRANCH = "branch"
"""The tag of a child run: `text`, `image` or `fusion`."""
_NAMED_CHANGES = 3
"""Changed parameters that a run's name lists."""
_DIGEST = 36
"""Characters of a data set's digest that MLflow takes."""


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
        """Log the bundle, its figures and its data to the parent, and each branch's figures to a child run."""
        manifest = bundle.manifest
        name = f"{_minute()} · {bundle.id} · {_what_changed(self._parent, bundle, params)}"
        client().update_run(self._parent, name=name)
        tags = {"bundle": bundle.id, "data": manifest.data, "code": manifest.code}
        mlflow.set_tags(tags)
        mlflow.log_metrics(dict(_flat(manifest.metrics, "validation.")))
        mlflow.log_artifacts(str(bundle.folder), artifact_path="bundle")
        _log_data(manifest.data)
        for branch, section in {"text": params.text, "image": params.image, "fusion": params.review}.items():
            about = {**tags, BRANCH: branch}
            with mlflow.start_run(
                experiment_id=_experiment(), run_name=f"{branch} of {bundle.id}", nested=True, tags=about
            ) as child:
                self._children[branch] = child.info.run_id
                mlflow.log_params(dict(_flat(section.model_dump())))
                _log_epochs(history[history["branch"] == branch])
                _log_epochs(history[history["branch"] == f"{branch}-teacher"], "teacher.")
                mlflow.log_metrics(dict(_flat(manifest.metrics[branch], "validation.")))

    def log_evaluation(self, metrics: Mapping[str, Mapping[str, float]], report: Path) -> None:
        """Log all figures and the report's files to the parent, and each branch's figures to its child."""
        mlflow.set_tag("dvc.lock.evaluate", _dvc_lock_digest())
        for path in PIPELINE_FILES:
            if path.is_file():
                mlflow.log_text(_recorded(path), (PIPELINE / path).as_posix())
        mlflow.log_metrics(dict(_flat(metrics, "test.")))
        mlflow.log_artifacts(str(report), artifact_path="report")
        for branch, run_id in self._children.items():
            with mlflow.start_run(run_id=run_id, nested=True):
                mlflow.log_metrics(dict(_flat(metrics[branch], "test.")))

    def log_verdict(self, verdict: GateVerdict, comparison: Path) -> None:
        """Log the gate's figures and its verdict to the parent; the verdict becomes the run's description."""
        mlflow.set_tag(NOTE, verdict_note(verdict))
        mlflow.set_tag("gate", "passed" if verdict.passed else "failed")
        mlflow.log_metrics(dict(_flat({check.name: check.figures for check in verdict.checks}, "gate.")))
        mlflow.log_dict(verdict.model_dump(mode="json"), "gate/verdict.json")
        mlflow.log_artifact(str(comparison), "gate")

    @property
    def page(self) -> str | None:
        """The run's address in MLflow's interface; `None` if the store is opened without a server."""
        return page(f"experiments/{_experiment()}/runs/{self._parent}")


@contextmanager
def start(params: TrainParams, tags: Mapping[str, str] | None = None) -> Iterator[TrainingRun]:
    """Open the parent run of a new training; an error ends it as FAILED."""
    _connect()
    begun = {"code": git_revision(), "dvc.lock": _dvc_lock_digest(), **(tags or {})}
    with mlflow.start_run(experiment_id=_experiment(), run_name=f"{_minute()} · training", tags=begun) as parent:
        mlflow.log_params(dict(_flat(params.model_dump())))
        yield TrainingRun(parent.info.run_id, {})


@contextmanager
def resume(report: Path, bundle: Bundle, params: TrainParams) -> Iterator[TrainingRun]:
    """Open the parent run of the training that wrote `report` again; an error ends it as FAILED.

    DVC's run cache brings a training's files to machines whose MLflow does not know its runs. There they are made again
    from the files, with the tag `restored_from`.
    """
    _connect()
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
    """Return HEAD, with `-dirty` if tracked files differ from it; `unknown` outside a repository.

    `dvc.lock` does not count, because the stage that is running will change it.
    """
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock")
    return (_git("rev-parse", "HEAD") or "unknown") + ("-dirty" if changed else "")


def _connect() -> None:
    """Have MLflow's functions use the store in the settings; ends the stage with a sentence if the account is wrong."""
    mlflow.set_tracking_uri(get_settings().mlflow_tracking_uri)
    prepare_client()
    _tell_of_waiting()
    try:
        _experiment()
    except MlflowException as error:
        raise SystemExit(reason(error)) if is_refused(error) else error from error


@cache
def _tell_of_waiting() -> None:
    """Have the stage say when it waits for MLflow: in a queue it waits long (`shared.registry.waiting.PATIENT`)."""

    def tell(tries: int) -> None:
        log.warning("MLflow does not answer; the stage waits for it (try %d)", tries)
        progress.report("tries to reach MLflow", tries, tries)

    tell_of_waiting(tell)


def _experiment() -> str:
    return ensure_experiment(EXPERIMENT, _ABOUT)


def _minute() -> str:
    return datetime.now().strftime("%Y-%m-%d %H:%M")


def _what_changed(run_id: str, bundle: Bundle, params: TrainParams) -> str:
    """Name the differences from the training before: parameters with both values, then data and code."""
    newest = client().search_runs([_experiment()], "tags.bundle != ''", max_results=50)
    parents = (run for run in newest if run.info.run_id != run_id and MLFLOW_PARENT_RUN_ID not in run.data.tags)
    before = next(parents, None)
    if before is None:
        return "first training"
    values, old = dict(_flat(params.model_dump())), before.data.params
    changes = [
        f"{name} {old.get(name, '-')} → {value}" for name, value in values.items() if old.get(name) != str(value)
    ]
    more = [f"{len(changes) - _NAMED_CHANGES} more"] if len(changes) > _NAMED_CHANGES else []
    tags = {"data": bundle.manifest.data, "code": bundle.manifest.code}
    other = [f"other {name}" for name, value in tags.items() if before.data.tags.get(name) != value]
    return ", ".join([*changes[:_NAMED_CHANGES], *more, *other]) or "no change"


def _log_data(digest: str) -> None:
    """Log each split as an input of the run: its rows, its columns, where it came from, and the digest of all data."""
    source = without_password(load_params().import_data.source or "")
    items = pd.read_parquet(PREPARED / "items.parquet")
    for split, rows in items.groupby("split"):
        table = rows[["words", "category"]].assign(picture=rows["feature"] >= 0)
        dataset = from_pandas(
            table,
            source=source or CodeDatasetSource({"generator": "training.sample.catalogue"}),
            targets="category",
            name=f"catalogue, {split}",
            digest=digest[:_DIGEST],
        )
        mlflow.log_input(dataset, context=str(split))


def _recorded(path: Path) -> str:
    """Return the file without the passwords of places, because MLflow shows it to more people than this machine."""
    text = path.read_text(encoding="utf-8")
    if path != PATH:
        return text
    places = load_params().import_data
    named = {"source": places.source, "unlabelled": list(places.unlabelled)}
    shown = {
        "source": places.source and without_password(places.source),
        "unlabelled": [without_password(place) for place in places.unlabelled],
    }
    if shown == named:
        return text  # with its comments
    values = yaml.safe_load(text)
    return yaml.safe_dump({**values, "import_data": {**values["import_data"], **shown}}, sort_keys=False)


def _exists(run_id: str) -> bool:
    try:
        return str(client().get_run(run_id).info.lifecycle_stage) == LifecycleStage.ACTIVE
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False


def _restored(left: RunIds) -> RunIds | None:
    """Return the runs that an earlier evaluation made in place of these; `None` unless all of them are there."""
    for parent in client().search_runs([_experiment()], f"tags.{RESTORED_FROM} = '{left.parent}'"):
        run_id = parent.info.run_id
        children = client().search_runs([_experiment()], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}'")
        # Runs of earlier releases lack the tag, and are named by their branch.
        by_branch = {child.data.tags.get(BRANCH, str(child.info.run_name)): child.info.run_id for child in children}
        if by_branch.keys() == left.children.keys():
            return RunIds(parent=run_id, children=by_branch)
    return None


def _log_epochs(history: pd.DataFrame, prefix: str = "") -> None:
    for epoch in history.drop(columns="branch").to_dict(orient="records"):
        step = int(epoch.pop("epoch"))
        mlflow.log_metrics({f"{prefix}{name}": float(value) for name, value in epoch.items()}, step=step)


def _git(*arguments: str) -> str:
    """Return what git prints, or nothing if it fails."""
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
