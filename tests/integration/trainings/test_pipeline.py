"""`dvc repro`, as a newcomer runs it."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image

from shared.model.bundle import FLOAT, INT8, Bundle
from tests.conftest import Trained
from tests.integration.conftest import Retrained
from tests.workspace import Workspace
from training.pipeline.layout import BUNDLE, EVALUATION_REPORT, HISTORY, PREPARED, TRAINING_REPORT
from training.pipeline.prepared import Prepared
from training.pipeline.splits import TEST


def _output(workspace: Workspace, stage: str, path: Path) -> str:
    """The hash that dvc.lock has of a stage's output."""
    lock = yaml.safe_load((workspace.folder / "dvc.lock").read_text())
    (md5,) = [out["md5"] for out in lock["stages"][stage]["outs"] if out["path"] == str(path)]
    return str(md5)


def test_dvc_metrics_show_text_image_and_fusion(workspace: Workspace) -> None:
    shown = json.loads(workspace.run("dvc", "metrics", "show", "--json"))
    (figures,) = [entry["data"] for entry in shown[""]["data"].values()]
    for branch in ("text", "image", "fusion"):
        assert 0 <= figures[branch]["weighted_f1"] <= 1
        assert figures[branch]["items"] > 0
    assert figures["fusion"]["weighted_f1"] > 0.3
    assert 0 <= figures["fusion"]["review_coverage"] <= 1


def test_dvc_graph_has_the_four_stages(workspace: Workspace) -> None:
    drawn = workspace.run("dvc", "dag")
    assert all(stage in drawn for stage in ("import_data", "preprocess", "train", "evaluate"))


def test_the_plots_can_be_drawn(workspace: Workspace) -> None:
    workspace.run("dvc", "plots", "show", "--out", "plots")
    page = (workspace.folder / "plots/index.html").read_text()
    assert "failed to load" not in page
    titles = (
        "Confusion on the test split",
        "F1 per category, of the most frequent",
        "Loss by epoch",
        "Accuracy by epoch",
    )
    assert all(title in page for title in titles)
    for name in ("confusion", "reliability", "coverage", "learning_curves", "mistakes"):
        assert f"workspace_data_evaluation_{name}.png" in page
        with Image.open(workspace.folder / EVALUATION_REPORT / f"{name}.png") as picture:
            picture.verify()


def test_reported_mistakes_are_products_of_the_test_split(workspace: Workspace, trained: Trained) -> None:
    lines = (workspace.folder / EVALUATION_REPORT / "mistakes.csv").read_text().splitlines()[1:]
    rows = {int(line.split(",")[0]) for line in lines}
    assert rows <= set(trained.prepared.split(TEST).rows.tolist())


def test_trained_bundle_can_be_fetched_from_the_registry(workspace: Workspace, trained: Trained) -> None:
    code = (
        "from pathlib import Path; from shared.registry.mlflow import fetch; "
        "print(fetch('models:/rakuten-classification@challenger', Path('models/cache')).folder)"
    )
    folder = workspace.python("-c", code).strip().splitlines()[-1]
    assert Bundle.load(workspace.folder / folder).id == trained.bundle.id


def test_texts_without_a_label_teach_a_student(trained: Trained) -> None:
    history = pd.read_csv(trained.bundle.folder.parent.parent / TRAINING_REPORT / HISTORY)
    epochs = history.groupby("branch")["epoch"].count().to_dict()
    assert epochs == {"text-teacher": 12, "text": 6, "image": 15}
    assert len(trained.prepared.unlabelled) > 20


def test_the_quantised_artefact_scores_as_the_keras_networks(workspace: Workspace) -> None:
    metrics = json.loads((workspace.folder / EVALUATION_REPORT / "metrics.json").read_text())
    for branch in ("text", "image", "fusion"):
        # One item of the tiny test split may fall on the other side.
        assert metrics[branch]["weighted_f1"] == pytest.approx(metrics[branch]["keras_weighted_f1"], abs=0.1)


def test_the_bundle_was_evaluated_in_int8_and_in_floating_point(trained: Trained) -> None:
    evaluated = trained.bundle.manifest.evaluated
    assert evaluated.keys() == {INT8, FLOAT}
    assert evaluated[INT8] == pytest.approx(evaluated[FLOAT], abs=0.1)  # one item of the tiny split


def test_changed_lstm_parameters_recompute_no_features(retrained: Retrained) -> None:
    assert "Stage 'import_data' didn't change, skipping" in retrained.told
    assert "Stage 'preprocess' didn't change, skipping" in retrained.told
    assert "Running stage 'train'" in retrained.told
    assert "Running stage 'evaluate'" in retrained.told


def test_the_same_seed_and_data_give_the_same_bundle_and_report(
    workspace: Workspace, trained: Trained, tmp_path: Path
) -> None:
    again = workspace.copy(tmp_path / "again")
    again.run("dvc", "repro", "--force", "--single-item", "train", "evaluate")
    bundle = Bundle.load(again.folder / BUNDLE)
    assert bundle.id == trained.bundle.id
    assert bundle.manifest.metrics == trained.bundle.manifest.metrics
    assert _output(again, "evaluate", EVALUATION_REPORT) == _output(workspace, "evaluate", EVALUATION_REPORT)


def test_feature_store_survives_a_rerun_of_its_stage(workspace: Workspace, tmp_path: Path) -> None:
    changed = workspace.copy(tmp_path / "changed")
    changed.set_params({"preprocess": {"validation": 0.2}})
    told = changed.run("dvc", "repro", "preprocess")
    assert told.count("features: 0 pictures computed") == 1  # in int8, which every picture is kept in


def test_feature_store_keeps_picture_sizes_apart(workspace: Workspace, tmp_path: Path) -> None:
    changed = workspace.copy(tmp_path / "changed")
    before = Prepared(workspace.folder / PREPARED)
    size = 128 if before.image_size != 128 else 160
    changed.set_params({"preprocess": {"image_size": size}})
    told = changed.run("dvc", "repro", "preprocess")
    assert "features: 0 pictures computed" not in told
    prepared = Prepared(changed.folder / PREPARED)
    assert prepared.image_size == size
    assert prepared.digest != before.digest
