"""`dvc repro`, as a newcomer runs it."""

import json
from pathlib import Path

from mlflow import MlflowClient

from shared.model.bundle import Bundle
from tests.conftest import Trained
from tests.workspace import Workspace


def _client(workspace: Workspace) -> MlflowClient:
    return MlflowClient(f"sqlite:///{workspace.folder}/mlflow-store/mlflow.db")


def test_the_metrics_of_all_three_are_shown(workspace: Workspace) -> None:
    shown = json.loads(workspace.run("dvc", "metrics", "show", "--json"))
    (figures,) = [entry["data"] for entry in shown[""]["data"].values()]
    for branch in ("text", "image", "fusion"):
        assert 0 <= figures[branch]["weighted_f1"] <= 1
        assert figures[branch]["items"] > 0
    assert figures["fusion"]["weighted_f1"] > 0.3
    assert 0 <= figures["fusion"]["review_coverage"] <= 1


def test_the_graph_has_the_four_stages(workspace: Workspace) -> None:
    drawn = workspace.run("dvc", "dag")
    assert all(stage in drawn for stage in ("import_data", "preprocess", "train", "evaluate"))


def test_the_plots_can_be_drawn(workspace: Workspace) -> None:
    workspace.run("dvc", "plots", "show", "--out", "plots")
    page = (workspace.folder / "plots/index.html").read_text()
    assert "Confusion on the test split" in page
    assert "Validation loss by epoch" in page


def test_training_and_evaluation_are_in_mlflow_and_the_bundle_in_its_registry(
    workspace: Workspace, trained: Trained
) -> None:
    mlflow = _client(workspace)
    runs = {}
    for name in ("rakuten-classification", "rakuten-classification-evaluation"):
        experiment = mlflow.get_experiment_by_name(name)
        assert experiment is not None
        (runs[name],) = mlflow.search_runs([experiment.experiment_id])
    training, evaluation = runs.values()
    assert training.data.params["text.units"] == "32"
    assert len(mlflow.get_metric_history(training.info.run_id, "text.val_loss")) >= 3
    assert training.data.tags["bundle"] == trained.bundle.version
    assert training.data.tags["data"] == trained.prepared.digest
    for figure in ("calibration_error", "calibration_error_before", "review_coverage"):
        assert 0 <= training.data.metrics[f"validation.fusion.{figure}"] <= 1
    assert evaluation.data.tags["training_run"] == training.info.run_id
    assert "test.fusion.weighted_f1" in evaluation.data.metrics
    version = mlflow.get_model_version_by_alias("rakuten-classification", "champion")
    assert version.run_id == training.info.run_id
    assert version.tags["bundle"] == trained.bundle.version


def test_the_champion_can_be_fetched_from_the_registry(workspace: Workspace, trained: Trained) -> None:
    code = (
        "from pathlib import Path; from shared.registry import fetch; "
        "print(fetch('models:/rakuten-classification@champion', Path('models/cache')).folder)"
    )
    folder = workspace.python("-c", code).strip().splitlines()[-1]
    assert Bundle.load(workspace.folder / folder).version == trained.bundle.version


def test_another_lstm_trains_anew_and_computes_no_features(workspace: Workspace, tmp_path: Path) -> None:
    changed = workspace.copy(tmp_path / "changed")
    changed.set_params({"train": {"text": {"epochs": 1}}})
    told = changed.run("dvc", "repro")
    assert "Stage 'import_data' didn't change, skipping" in told
    assert "Stage 'preprocess' didn't change, skipping" in told
    assert "Running stage 'train'" in told
    assert "Running stage 'evaluate'" in told


def test_features_outlive_their_stage(workspace: Workspace, tmp_path: Path) -> None:
    changed = workspace.copy(tmp_path / "changed")
    changed.set_params({"preprocess": {"validation": 0.2}})
    told = changed.run("dvc", "repro", "preprocess")
    assert "features: 0 pictures computed" in told
