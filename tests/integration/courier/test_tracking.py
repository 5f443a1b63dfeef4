"""Trainings and finished jobs in a real MLflow."""

import json
import shutil
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from stack.services import Stack
from tests.conftest import Trained
from tests.integration.conftest import Retrained
from tests.pictures import in_base64
from tests.waiting import finished, wait_for
from tests.workspace import Workspace
from training.pipeline.layout import EVALUATION_REPORT, TRAINING_REPORT

BRANCHES = {"text", "image", "fusion"}
FIGURES = ("weighted_f1", "macro_f1", "accuracy", "calibration_error", "items")


def _client(workspace: Workspace) -> MlflowClient:
    return MlflowClient(f"sqlite:///{workspace.folder}/mlflow-store/mlflow.db")


def _parents(mlflow: MlflowClient) -> list[Run]:
    """The trainings, the first one first."""
    experiment = mlflow.get_experiment_by_name("rakuten-classification")
    assert experiment is not None
    runs = mlflow.search_runs([experiment.experiment_id], order_by=["start_time ASC"])
    return [run for run in runs if MLFLOW_PARENT_RUN_ID not in run.data.tags]


def _children(mlflow: MlflowClient, parent: Run) -> dict[str, Run]:
    query = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent.info.run_id}'"
    return {run.data.tags["branch"]: run for run in mlflow.search_runs([parent.info.experiment_id], query)}


def test_a_training_is_a_parent_with_a_child_per_branch(workspace: Workspace, trained: Trained) -> None:
    mlflow = _client(workspace)
    (parent,) = _parents(mlflow)
    children = _children(mlflow, parent)
    assert children.keys() == BRANCHES
    left = json.loads((workspace.folder / TRAINING_REPORT / "run.json").read_text())
    assert left["parent"] == parent.info.run_id
    assert left["children"] == {branch: child.info.run_id for branch, child in children.items()}
    manifest = trained.bundle.manifest
    for run in (parent, *children.values()):
        assert run.info.status == "FINISHED"
        tags = {"bundle": trained.bundle.id, "data": trained.prepared.digest, "code": manifest.code}
        assert tags.items() <= run.data.tags.items()
    assert parent.data.tags["dvc.lock"] != parent.data.tags["dvc.lock.evaluate"]
    assert parent.data.params["text.units"] == children["text"].data.params["units"] == "32"
    assert parent.data.params["image.units"] == children["image"].data.params["units"] == "64"
    assert parent.data.params["review.precision"] == children["fusion"].data.params["precision"] == "0.7"
    for branch, child in children.items():
        for figure in FIGURES:
            assert child.data.metrics[f"validation.{figure}"] == manifest.metrics[branch][figure]
            assert parent.data.metrics[f"validation.{branch}.{figure}"] == manifest.metrics[branch][figure]
    for figure in ("calibration_error", "calibration_error_before", "review_coverage"):
        assert 0 <= parent.data.metrics[f"validation.fusion.{figure}"] <= 1
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "teacher.val_loss"):
        epochs = mlflow.get_metric_history(children["text"].info.run_id, name)
        assert [epoch.step for epoch in epochs] == list(range(len(epochs)))
        assert len(epochs) >= 3


def test_runs_have_names_and_descriptions(workspace: Workspace, trained: Trained, retrained: Retrained) -> None:
    mlflow = _client(workspace)
    experiment = mlflow.get_experiment_by_name("rakuten-classification")
    assert experiment is not None
    assert "parent run" in experiment.tags["mlflow.note.content"]
    (parent,) = _parents(mlflow)
    created = datetime.fromtimestamp(parent.info.start_time / 1000)
    assert (
        parent.info.run_name
        == f"{created:%Y-%m-%d} {parent.info.run_name[11:16]} · {trained.bundle.id} · first training"
    )
    names = {branch: child.info.run_name for branch, child in _children(mlflow, parent).items()}
    assert names == {branch: f"{branch} of {trained.bundle.id}" for branch in BRANCHES}
    second = _parents(_client(retrained.workspace))[1]
    assert "· text.epochs 12 → 1" in second.info.run_name


def test_the_data_of_a_training_are_inputs_of_its_run(workspace: Workspace, trained: Trained) -> None:
    (parent,) = _parents(_client(workspace))
    assert parent.inputs is not None
    found = {item.tags[0].value: item.dataset for item in parent.inputs.dataset_inputs}
    assert found.keys() == {"train", "validation", "test"}
    for split, dataset in found.items():
        assert json.loads(dataset.profile or "{}")["num_rows"] == len(trained.prepared.split(split))
        assert trained.prepared.digest.startswith(dataset.digest)
        assert "training.sample.catalogue" in dataset.source


def test_a_version_has_a_signature_and_a_description(workspace: Workspace, trained: Trained) -> None:
    code = (
        "import mlflow; from shared.settings import get_settings; "
        "mlflow.set_tracking_uri(get_settings().mlflow_tracking_uri); "
        "signature = mlflow.models.get_model_info('models:/rakuten-classification@challenger').signature; "
        "print(signature.inputs.input_names(), signature.outputs.input_names())"
    )
    shown = workspace.python("-c", code)
    assert "['title', 'description', 'image'] ['code', 'confidence', 'needs_review']" in shown
    version = _client(workspace).get_model_version_by_alias("rakuten-classification", "challenger")
    assert f"Bundle `{trained.bundle.id}`. Its weighted F1 on the test split is" in str(version.description)


def test_the_evaluation_is_in_its_trainings_runs_and_the_bundle_in_the_registry(
    workspace: Workspace, trained: Trained
) -> None:
    mlflow = _client(workspace)
    (parent,) = _parents(mlflow)
    metrics = json.loads((workspace.folder / EVALUATION_REPORT / "metrics.json").read_text())
    for branch, child in _children(mlflow, parent).items():
        for figure, value in metrics[branch].items():
            assert parent.data.metrics[f"test.{branch}.{figure}"] == value
            assert child.data.metrics[f"test.{figure}"] == value
    artefacts = {file.path for file in mlflow.list_artifacts(parent.info.run_id, "report")}
    assert artefacts == {f"report/{path.name}" for path in (workspace.folder / EVALUATION_REPORT).iterdir()}
    version = mlflow.get_model_version_by_alias("rakuten-classification", "challenger")
    assert version.run_id == parent.info.run_id
    assert "champion" not in mlflow.get_registered_model("rakuten-classification").aliases, "nobody has promoted it"
    assert version.tags["bundle"] == trained.bundle.id
    assert {experiment.name for experiment in mlflow.search_experiments()} == {"Default", "rakuten-classification"}


def test_another_training_is_another_run_and_the_challenger(retrained: Retrained) -> None:
    mlflow = _client(retrained.workspace)
    first, second = _parents(mlflow)
    assert [run.data.params["text.epochs"] for run in (first, second)] == ["12", "1"]
    version = mlflow.get_model_version_by_alias("rakuten-classification", "challenger")
    assert version.run_id == second.info.run_id


def test_a_training_that_this_mlflow_does_not_know_is_logged_anew_and_once(
    workspace: Workspace, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATALOG_REGISTERED_MODEL", "another-model")
    elsewhere = workspace.copy(tmp_path / "elsewhere")
    shutil.rmtree(elsewhere.folder / "mlflow-store")
    for _ in range(2):
        elsewhere.run("training.evaluate")
    mlflow = _client(elsewhere)
    (parent,) = _parents(mlflow)
    (known,) = _parents(_client(workspace))
    assert parent.data.tags["restored_from"] == known.info.run_id
    assert parent.data.metrics == known.data.metrics
    assert parent.data.params == known.data.params
    assert parent.data.tags["bundle"] == trained.bundle.id
    children, known_children = _children(mlflow, parent), _children(_client(workspace), known)
    assert {branch: child.data.metrics for branch, child in children.items()} == {
        branch: child.data.metrics for branch, child in known_children.items()
    }
    version = mlflow.get_model_version_by_alias("another-model", "challenger")
    assert version.run_id == parent.info.run_id


def test_a_stage_that_breaks_leaves_a_failed_run(workspace: Workspace, tmp_path: Path) -> None:
    broken = workspace.copy(tmp_path / "broken")
    (broken.folder / "data/prepared/features.npy").unlink()
    code = "try: main()\nexcept FileNotFoundError: print('as expected')"
    for stage in ("evaluate", "train"):
        assert "as expected" in broken.python("-c", f"from training.{stage} import main\n{code}")
    evaluated, trained = _parents(_client(broken))
    assert (evaluated.info.status, trained.info.status) == ("FAILED", "FAILED")
    assert trained.data.params["seed"] == "7"


def test_each_job_is_one_run(api: httpx.Client, stack: Stack) -> None:
    items = [{"title": "Livre ancien"}, {"title": "Piscine"}, {"image": {"base64": in_base64(b"?")}}]
    job = api.post("/v1/jobs", json={"items": items}).json()
    finished(api, job["url"])
    mlflow = MlflowClient(f"http://127.0.0.1:{stack.ports.mlflow}")

    def logged() -> list[Run]:
        experiment = mlflow.get_experiment_by_name("rakuten-prediction-api")
        if experiment is None:
            return []
        query = f"tags.job = '{job['id']}' and attributes.status = 'FINISHED'"
        return list(mlflow.search_runs([experiment.experiment_id], query))

    (run,) = wait_for("the job is in MLflow", logged)
    metrics = run.data.metrics
    assert (metrics["items"], metrics["succeeded"], metrics["failed"]) == (3, 2, 1)
    assert metrics["error.image_unreadable"] == 1
    unsure = api.get(job["url"]).json()["counts"]["needs_review"]
    assert (metrics["needs_review"], metrics["needs_review.share"]) == (unsure, unsure / 2)
    assert metrics["latency_s"] > 0
    assert 0 < metrics["confidence.p50"] <= 1
    assert sum(value for name, value in metrics.items() if name.startswith("type.")) == 2
    assert run.data.tags["bundle"] == api.get("/health").json()["bundles"][0]
    assert run.data.tags["state"] == "partial"
    assert run.info.run_name.endswith(f" · 3 items of {run.data.tags['tenant']} · partial")
