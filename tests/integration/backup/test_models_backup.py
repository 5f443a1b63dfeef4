"""The model registry of a backup: the same champion, versions and history in another MLflow."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from shared.model.bundle import Bundle
from shared.registry import mlflow as registry
from shared.registry.descriptions import RESTORED_FROM
from shared.settings import ROOT, get_settings
from stack.backup.archive import Archive, BackupError, RedisFigures, Writer
from stack.backup.models import ModelsLoad, save
from stack.backup.progress import ProgressLines
from tests.bundles import another

NAME = "rakuten-classification"
FIGURES = RedisFigures(server="valkey 9", keys=0, jobs=0, unfinished=0, waiting={}, api_keys=0)


def use(folder: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """Have this process use the MLflow of the folder."""
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("CATALOG_MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    monkeypatch.setenv("CATALOG_MODEL_CACHE", str(folder / "cache"))
    get_settings.cache_clear()
    return registry.client()


def trained(mlflow: MlflowClient, experiment: str, bundle: Bundle) -> str:
    """A run with a child, as a training has it; its bundle is registered."""
    run = mlflow.create_run(experiment, tags={"code": "abc"}, run_name="training").info.run_id
    mlflow.log_artifacts(run, str(bundle.folder), "bundle")
    child = mlflow.create_run(experiment, tags={"mlflow.parentRunId": run, "branch": "text"}).info.run_id
    mlflow.log_batch(child, metrics=[Metric("loss", 1 / (step + 1), 1000 + step, step) for step in range(3)])
    mlflow.log_param(child, "epochs", "3")
    mlflow.set_terminated(child)
    mlflow.set_terminated(run)
    return registry.register(bundle, NAME, run, {"test.fusion.weighted_f1": 0.75})


def test_the_registry_is_the_same_in_another_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = use(tmp_path / "first", monkeypatch)
    experiment = registry.ensure_experiment("trainings", "What was trained")
    starter = Bundle.load(ROOT / "models/starter")
    for weight in (0.4, 0.5, 0.6):
        trained(mlflow, experiment, another(starter, tmp_path / f"bundle{weight}", weight))
    registry.promote("2", "anna", "it is better")
    registry.promote("3", "anna", "it is better still")
    mlflow.delete_model_version(NAME, "1")
    before, champion = registry.state(NAME), registry.fetch(f"models:/{NAME}@champion", tmp_path / "c1").id
    old = mlflow.get_model_version(NAME, "3").run_id
    writer = Writer(str(tmp_path / "backup"))
    assert save(NAME, writer, ProgressLines()) == 2
    writer.finish(datetime.now(UTC), FIGURES, 2)

    other = use(tmp_path / "second", monkeypatch)
    for _ in range(2):  # an interrupted restore is repeated
        load = ModelsLoad(NAME, Archive(str(tmp_path / "backup")), ProgressLines())
        load.check_empty()
        load.load()
    after = registry.state(NAME)
    assert (after.aliases, after.history) == (before.aliases, before.history)
    known = [[(v.version, v.bundle, v.figures) for v in state.versions] for state in (before, after)]
    assert known[0] == known[1]
    assert registry.fetch(f"models:/{NAME}@champion", tmp_path / "c2").id == champion
    run = other.get_run(str(other.get_model_version(NAME, "3").run_id))
    assert (run.data.tags[RESTORED_FROM], run.info.run_name, run.data.tags["code"]) == (old, "training", "abc")
    (child,) = other.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    assert child.data.params == {"epochs": "3"}
    assert [point.step for point in other.get_metric_history(child.info.run_id, "loss")] == [0, 1, 2]
    other.delete_registered_model_tag(NAME, "restored_from_backup")
    with pytest.raises(BackupError, match="MLflow already has a model"):
        ModelsLoad(NAME, Archive(str(tmp_path / "backup")), ProgressLines()).check_empty()
    get_settings.cache_clear()


def test_a_registry_without_the_model_is_saved_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(tmp_path / "first", monkeypatch)
    writer = Writer(str(tmp_path / "backup"))
    assert save(NAME, writer, ProgressLines()) == 0
    writer.finish(datetime.now(UTC), FIGURES, 0)
    load = ModelsLoad(NAME, Archive(str(tmp_path / "backup")), ProgressLines())
    load.check_empty()
    load.load()
    assert registry.state(NAME).versions == ()
    get_settings.cache_clear()
