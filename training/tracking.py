"""MLflow: one run per training and one per evaluation."""

import hashlib
import json
import logging
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd

from shared.model.bundle import Bundle
from shared.registry import ensure_experiment
from shared.settings import get_settings

log = logging.getLogger(__name__)

RUN_FILE = "run.json"


class Run:
    """The open MLflow run."""

    def __init__(self, run_id: str) -> None:
        self.id = run_id

    def log_params(self, params: Mapping[str, Any]) -> None:
        mlflow.log_params(dict(_flat(params)))

    def log_metrics(self, metrics: Mapping[str, Mapping[str, float]], prefix: str) -> None:
        """As `prefix.branch.figure`."""
        mlflow.log_metrics({f"{prefix}.{key}": value for key, value in _flat(metrics)})

    def log_history(self, path: Path) -> None:
        """A metric per branch and column, one step per epoch."""
        for epoch in pd.read_csv(path).to_dict(orient="records"):
            branch, step = epoch.pop("branch"), int(epoch.pop("epoch"))
            mlflow.log_metrics({f"{branch}.{name}": float(value) for name, value in epoch.items()}, step=step)

    def log_bundle(self, bundle: Bundle) -> None:
        mlflow.set_tags({"bundle": bundle.version, "data": bundle.manifest.data, "code": bundle.manifest.code})
        mlflow.log_artifacts(str(bundle.folder), artifact_path="bundle")

    def log_files(self, folder: Path) -> None:
        mlflow.log_artifacts(str(folder), artifact_path="report")


@contextmanager
def run(experiment: str, report: Path, parent: str | None = None) -> Iterator[Run]:
    """A run in `experiment`; its id is left in `report/run.json` for the stages that follow."""
    mlflow.set_tracking_uri(get_settings().mlflow_tracking_uri)
    ensure_experiment(experiment)
    mlflow.set_experiment(experiment)
    tags = {"dvc.lock": _dvc_lock_digest()} | ({"training_run": parent} if parent else {})
    with mlflow.start_run(tags=tags) as active:
        report.mkdir(parents=True, exist_ok=True)
        (report / RUN_FILE).write_text(json.dumps({"run_id": active.info.run_id}) + "\n")
        yield Run(active.info.run_id)


def run_id(report: Path) -> str:
    """The id that `run` left in `report`."""
    identifier: str = json.loads((report / RUN_FILE).read_text())["run_id"]
    return identifier


def git_revision() -> str:
    """HEAD, with `-dirty` where tracked files differ; `unknown` outside a repository.

    `dvc.lock` does not count: the very run that asks is about to change it.
    """
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!dvc.lock")
    return (_git("rev-parse", "HEAD") or "unknown") + ("-dirty" if changed else "")


def _git(*arguments: str) -> str:
    """What git prints; nothing where it fails."""
    command = ["git", "--no-optional-locks", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603


def _dvc_lock_digest() -> str:
    path = Path("dvc.lock")
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "none"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
