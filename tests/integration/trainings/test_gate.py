"""`python -m training.gate`, as the training worker runs it."""

import csv
import random
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from benchmarks.bundles import altered
from shared.model.bundle import GOLDEN, INT8, KNOWN, Bundle
from shared.pipeline.params import GateParams, load_params
from shared.pipeline.stages import VERDICT, GateCheck, GateVerdict
from shared.settings import get_settings
from shared.taxonomy import CODES
from tests.conftest import Trained
from tests.workspace import Workspace
from training.catalogue.challenge import LABELS_FILE
from training.gate import GateError, judge
from training.pipeline.layout import BUNDLE, FEATURE_STORE, IMPORTED, PREPARED, STARTER, TRAINING_REPORT
from training.pipeline.prepared import Prepared
from training.pipeline.splits import TEST
from training.pipeline.tracking import RUN_FILE, RunIds
from training.sample.catalogue import generate
from training.vgg16.features import FeatureStore

NAMES = ["held_out", "labels", "weighted_f1", "classes", "calibration", "coverage", "latency", "golden"]


def verdict(workspace: Workspace, *champion: str) -> GateVerdict:
    workspace.run("training.gate", *champion)
    return GateVerdict.model_validate_json((workspace.folder / VERDICT).read_text())


def judged(workspace: Workspace, champion: Bundle | None, challenger: Bundle | None = None) -> GateVerdict:
    """In this process."""
    params: GateParams = load_params(workspace.folder / "params.yaml").gate
    bundle = challenger or Bundle.load(workspace.folder / BUNDLE)
    prepared, imported = Prepared(workspace.folder / PREPARED), workspace.folder / IMPORTED
    return judge(bundle, champion, prepared, imported, workspace.folder / FEATURE_STORE, params).verdict


def by_name(found: GateVerdict) -> dict[str, GateCheck]:
    return {check.name: check for check in found.checks}


@pytest.fixture(scope="module")
def judging(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy, because the gate writes to MLflow."""
    return workspace.copy(tmp_path_factory.mktemp("judging") / "workspace")


@pytest.fixture(scope="module")
def poisoned(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Trained on the same products, but three in ten labels went to other products."""
    copy = workspace.copy(tmp_path_factory.mktemp("poisoned") / "workspace")
    sample = load_params(copy.folder / "params.yaml").import_data.sample
    generate(copy.folder / "poison", per_type=sample.per_type, test_items=0, seed=sample.seed)
    shuffle_labels(copy.folder / "poison" / LABELS_FILE, share=0.3)
    copy.set_params({"import_data": {"source": "poison"}})
    copy.run("dvc", "repro", "train")  # the gate needs no evaluation
    return copy


def shuffle_labels(path: Path, share: float) -> None:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    dice = random.Random(1)
    chosen = dice.sample(range(len(rows)), round(share * len(rows)))
    labels = [rows[row][1] for row in chosen]
    dice.shuffle(labels)
    for row, label in zip(chosen, labels, strict=True):
        rows[row][1] = label
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def test_gate_passes_a_model_against_itself_and_publishes_the_verdict(judging: Workspace, trained: Trained) -> None:
    found = verdict(judging, "--champion", str(BUNDLE))
    assert found.passed, found.detail
    assert found.champion == found.challenger == trained.bundle.id
    assert sorted(by_name(found)) == sorted(NAMES)
    assert by_name(found)["weighted_f1"].figures["gain"] == 0
    store = MlflowClient(f"sqlite:///{judging.folder}/mlflow-store/mlflow.db")
    ids = RunIds.model_validate_json((judging.folder / TRAINING_REPORT / RUN_FILE).read_bytes())
    run = store.get_run(ids.parent)
    assert run.data.tags["gate"] == "passed"
    assert run.data.metrics["gate.weighted_f1.gain"] == 0
    assert [file.path for file in store.list_artifacts(ids.parent, "gate")] == [
        "gate/comparison.html",
        "gate/verdict.json",
    ]
    name = get_settings().registered_model
    (version,) = store.search_model_versions(f"name='{name}' and tags.bundle='{found.challenger}'")
    assert version.tags["gate"] == "passed"


def test_gate_refuses_a_poisoned_data_set(poisoned: Workspace, trained: Trained) -> None:
    found = verdict(poisoned, "--champion", str(trained.bundle.folder))
    assert not found.passed
    assert "may not serve" in found.detail
    labels = by_name(found)["labels"]
    assert not labels.passed
    assert labels.figures["share"] == pytest.approx(0.29, abs=0.02)  # a few got their own back
    assert "now have another label" in found.detail


def test_gate_does_not_judge_on_changed_labels(poisoned: Workspace, trained: Trained) -> None:
    found = by_name(judged(poisoned, trained.bundle))
    figures = found["held_out"].figures
    assert figures["disputed"] > 0
    assert figures["confirmed"] == figures["items"]
    assert figures["learned"] == 0
    assert found["weighted_f1"].figures["gain"] < 0


def test_gate_refuses_a_constant_model(workspace: Workspace, trained: Trained, tmp_path: Path) -> None:
    first = (50.0, *[0.0] * (len(CODES) - 1))
    fusion = trained.bundle.manifest.fusion.model_copy(update={"bias": first, "text_alone": 0.0, "image_alone": 0.0})
    found = judged(workspace, trained.bundle, altered(trained.bundle, tmp_path / "blind", fusion=fusion))
    assert not found.passed
    assert by_name(found)["labels"].passed
    assert not by_name(found)["weighted_f1"].passed
    assert not by_name(found)["golden"].passed


def test_gate_lets_a_champion_with_another_picture_size_see_pictures_itself(
    workspace: Workspace, trained: Trained, tmp_path: Path
) -> None:
    size = trained.bundle.manifest.image_size - 32
    smaller = altered(trained.bundle, tmp_path / "smaller", image_size=size)
    found = by_name(judged(workspace, smaller))
    assert found["latency"].figures["champion_image_ms"] < found["latency"].figures["challenger_image_ms"]
    kept = FeatureStore.of(workspace.folder / FEATURE_STORE, smaller.folder, size, INT8)
    products = pd.read_parquet(workspace.folder / IMPORTED / "products.parquet").set_index("row")
    test = trained.prepared.split(TEST)
    assert all(picture in kept for picture in products["picture"][test.rows[test.has_image]])


def test_gate_accepts_a_champion_without_known_items(workspace: Workspace, trained: Trained, tmp_path: Path) -> None:
    found = judged(workspace, altered(trained.bundle, tmp_path / "old", without=[KNOWN]))
    assert "labels" not in by_name(found)
    assert "may have an advantage" in by_name(found)["held_out"].detail
    assert found.passed, found.detail


def test_gate_without_a_champion_asks_for_a_minimum(judging: Workspace) -> None:
    found = verdict(judging)
    assert found.champion is None
    assert set(by_name(found)) == {"held_out", "weighted_f1", "golden"}
    assert found.passed, found.detail


def test_gate_refuses_a_bundle_without_golden_set(workspace: Workspace, trained: Trained, tmp_path: Path) -> None:
    found = judged(workspace, None, altered(trained.bundle, tmp_path / "old", without=[GOLDEN]))
    assert not found.passed
    assert "has no golden set" in found.detail


def test_gate_does_not_judge_a_bundle_of_other_data(workspace: Workspace) -> None:
    with pytest.raises(GateError, match="run dvc repro"):
        judged(workspace, None, Bundle.load(workspace.folder / STARTER))
