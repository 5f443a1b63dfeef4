"""`python -m training.gate`, as the training worker runs it."""

import csv
import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from mlflow import MlflowClient

from benchmarks.bundles import altered
from shared.model.bundle import GOLDEN, INT8, KNOWN, Bundle
from shared.pipeline.params import GateParams, load_params
from shared.pipeline.stages import VERDICT, GateCheck, GateVerdict
from shared.settings import get_settings
from tests.conftest import Trained
from tests.rakuten import CATEGORIES, CODES
from tests.workspace import Workspace
from training.catalogue.challenge import LABELS_FILE
from training.gate import GateError, Judgement, judge
from training.judge.protected import ProtectedSet, read_protected
from training.judge.scores import score
from training.pipeline.layout import BUNDLE, FEATURE_STORE, IMPORTED, PREPARED, STARTER, TRAINING_REPORT
from training.pipeline.prepared import Prepared
from training.pipeline.splits import TEST
from training.pipeline.tracking import RUN_FILE, RunIds
from training.sample.catalogue import generate
from training.vgg16.features import FeatureStore

NAMES = [
    "held_out", "labels", "contradictions", "weighted_f1", "classes", "calibration", "coverage", "latency", "golden",
]  # fmt: skip
OTHER_SEED = 1234
"""The seed of a catalogue that shares hardly an item with the champion's."""


def verdict(workspace: Workspace, *champion: str) -> GateVerdict:
    workspace.run("training.gate", *champion)
    return GateVerdict.model_validate_json((workspace.folder / VERDICT).read_text())


def judged(
    workspace: Workspace,
    champion: Bundle | None,
    challenger: Bundle | None = None,
    protected: ProtectedSet | None = None,
    store: Path | None = None,
) -> GateVerdict:
    """In this process."""
    return judgement(workspace, champion, challenger, protected, store).verdict


def judgement(
    workspace: Workspace,
    champion: Bundle | None,
    challenger: Bundle | None = None,
    protected: ProtectedSet | None = None,
    store: Path | None = None,
) -> Judgement:
    params: GateParams = load_params(workspace.folder / "params.yaml").gate
    bundle = challenger or Bundle.load(workspace.folder / BUNDLE)
    prepared, imported = Prepared(workspace.folder / PREPARED), workspace.folder / IMPORTED
    return judge(bundle, champion, prepared, imported, store or workspace.folder / FEATURE_STORE, params, protected)


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


def catalogue(
    workspace: Workspace, folder: Path, name: str, seed: int, changed: Mapping[str, str] | None = None, *, stage: str
) -> Workspace:
    """A copy of the workspace in which the pipeline has run up to the stage, on another source.

    Args:
        name: The source's.
        seed: What it is generated from.
        changed: Codes that every item of a category gets instead of its own.
    """
    copy = workspace.copy(folder / "workspace")
    sample = load_params(copy.folder / "params.yaml").import_data.sample
    generate(copy.folder / name, per_type=sample.per_type, test_items=0, seed=seed)
    relabel(copy.folder / name / LABELS_FILE, changed or {})
    copy.set_params({"import_data": {"source": name}})
    copy.run("dvc", "repro", stage)
    return copy


@pytest.fixture(scope="module")
def permuted(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Trained on other products, all of whose labels are wrong: each category has another one's code."""
    next_code = dict(zip(CODES, [*CODES[1:], CODES[0]], strict=True))
    return catalogue(workspace, tmp_path_factory.mktemp("permuted"), "permuted", OTHER_SEED, next_code, stage="train")


@pytest.fixture(scope="module")
def elsewhere(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Other products with the right labels, prepared for a training."""
    return catalogue(workspace, tmp_path_factory.mktemp("elsewhere"), "elsewhere", OTHER_SEED, stage="preprocess")


@pytest.fixture(scope="module")
def protected(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> ProtectedSet:
    """Products that are in no catalogue."""
    folder = tmp_path_factory.mktemp("protected")
    generate(folder / "source", per_type=2, test_items=0, seed=99)
    return read_protected(str(folder / "source"), folder / "read", CATEGORIES)


def as_if_trained(bundle: Bundle, workspace: Workspace, folder: Path) -> Bundle:
    """The bundle as a training on the workspace's data would name it: what it answers stays the same."""
    return altered(bundle, folder, data=Prepared(workspace.folder / PREPARED).digest)


def relabel(path: Path, changed: Mapping[str, str]) -> None:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *((row, changed.get(code, code)) for row, code in rows)])


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
    # Of each category one item is held out whatever its hash is: with other labels it may be another one.
    assert figures["learned"] <= len(CODES)
    assert found["weighted_f1"].figures["gain"] < 0


def test_gate_refuses_a_catalogue_with_every_label_wrong_though_it_would_win(
    permuted: Workspace, trained: Trained
) -> None:
    found = judgement(permuted, trained.bundle)
    assert not found.verdict.passed
    checks = by_name(found.verdict)
    assert not checks["held_out"].passed, "hardly an item is one that the champion held out"
    assert "a person decides" in found.verdict.detail
    assert not checks["contradictions"].passed
    assert checks["contradictions"].figures["share"] > 0.8
    assert "weighted_f1" not in checks, "it is not scored by its own labels"
    shown = found.compared
    assert shown is not None
    assert shown.champion is not None
    assert not shown.decides
    before, after = (score(of.fused, shown.items.classes)["weighted_f1"] for of in (shown.champion, shown.challenger))
    assert before < 0.1 < 0.3 < after, "by its own labels it beats the champion"


def test_gate_judges_a_catalogue_with_every_label_wrong_on_the_protected_set(
    permuted: Workspace, trained: Trained, protected: ProtectedSet
) -> None:
    found = judged(permuted, trained.bundle, protected=protected)
    assert not found.passed
    checks = by_name(found)
    assert checks["held_out"].passed
    assert f"items of the protected set {protected.name}" in checks["held_out"].detail
    assert found.items == checks["held_out"].figures["items"] > 40
    assert not checks["weighted_f1"].passed
    assert checks["weighted_f1"].figures["challenger"] < 0.1 < 0.3 < checks["weighted_f1"].figures["champion"]
    assert not checks["contradictions"].passed
    assert checks["new_items"].figures["gain"] > 0, "what its own labels say lets nothing pass"


def test_gate_refuses_flipped_categories(workspace: Workspace, trained: Trained, tmp_path: Path) -> None:
    one, other = CODES[3], CODES[8]
    seed = load_params(workspace.folder / "params.yaml").import_data.sample.seed
    flipped = catalogue(workspace, tmp_path, "flipped", seed, {one: other, other: one}, stage="preprocess")
    found = judged(flipped, trained.bundle, as_if_trained(trained.bundle, flipped, tmp_path / "bundle"))
    assert not found.passed
    checks = by_name(found)
    assert checks["labels"].figures["share"] < 0.1, "they are two of 27"
    assert not checks["labels"].passed
    assert checks["labels"].figures["worst_type_share"] == 1
    assert checks["contradictions"].figures["worst_type_share"] > 0.6
    assert checks["weighted_f1"].passed, "its score is no reason"


def test_gate_leaves_a_disjoint_source_to_a_person_or_to_the_protected_set(
    elsewhere: Workspace, trained: Trained, protected: ProtectedSet, tmp_path: Path
) -> None:
    """The labels are right and the model is as good as the champion."""
    challenger = as_if_trained(trained.bundle, elsewhere, tmp_path / "bundle")
    alone = judged(elsewhere, trained.bundle, challenger)
    assert not alone.passed
    assert [check.name for check in alone.checks if not check.passed] == ["held_out"]
    assert "Too few to judge on" in alone.detail
    with_set = judged(elsewhere, trained.bundle, challenger, protected)
    assert with_set.passed, with_set.detail


def test_a_protected_set_that_a_model_has_learned_does_not_judge(
    workspace: Workspace, trained: Trained, tmp_path: Path
) -> None:
    sample = load_params(workspace.folder / "params.yaml").import_data.sample
    generate(tmp_path / "source", per_type=sample.per_type, test_items=0, seed=sample.seed)
    learned = read_protected(str(tmp_path / "source"), tmp_path / "read", CATEGORIES)
    found = by_name(judged(workspace, trained.bundle, protected=learned))["held_out"]
    assert found.figures["items"] == len(trained.prepared.split(TEST).where(held_out_by(trained)))
    assert found.figures["items"] < len(learned.items) / 2


def held_out_by(trained: Trained) -> npt.NDArray[np.bool_]:
    """Which rows of the test split are the first of their kind that can be answered."""
    test = trained.prepared.split(TEST)
    first = np.zeros(len(test), bool)
    first[np.unique(test.identities, return_index=True)[1]] = True
    return first & (test.has_text | test.has_image)


def test_the_gate_reads_the_protected_set_that_the_operator_names(
    judging: Workspace, trained: Trained, protected: ProtectedSet
) -> None:
    found = verdict(judging, "--champion", str(BUNDLE), "--protected-set", str(protected.folder.parent / "source"))
    assert found.passed, found.detail
    assert f"protected set {protected.name}" in by_name(found)["held_out"].detail
    assert "confirmed_items" in by_name(found)


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
    store = tmp_path / "store"  # the workspace's is shared with tests that count what is computed for it
    found = by_name(judged(workspace, smaller, store=store))
    assert found["latency"].figures["champion_image_ms"] < found["latency"].figures["challenger_image_ms"]
    kept = FeatureStore.of(store, smaller.folder, size, INT8)
    products = pd.read_parquet(workspace.folder / IMPORTED / "products.parquet").set_index("row")
    test = trained.prepared.split(TEST)
    assert all(picture in kept for picture in products["picture"][test.rows[test.has_image]])


def test_gate_judges_a_champion_without_known_items_on_the_protected_set_alone(
    workspace: Workspace, trained: Trained, protected: ProtectedSet, tmp_path: Path
) -> None:
    old = altered(trained.bundle, tmp_path / "old", without=[KNOWN])
    found = judged(workspace, old)
    assert "labels" not in by_name(found)
    assert "does not say what it learned from" in by_name(found)["held_out"].detail
    assert not found.passed
    with_set = judged(workspace, old, protected=protected)
    assert with_set.passed, with_set.detail


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
