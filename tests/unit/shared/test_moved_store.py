"""MLflow's SQLite store after its folder was renamed or copied."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from shared.model.bundle import Bundle
from shared.registry import mlflow as registry
from shared.settings import ROOT, Settings, get_settings, local_bundle
from worker.serving.registry_service import RegistryService

NAME = "rakuten-classification"
EXPERIMENTS = (NAME, "un essai à 50 % #1")
CHAMPION = f"models:/{NAME}@champion"
MAKE = """
import sys
from shared.model.bundle import Bundle
from shared.registry import mlflow as registry
from shared.settings import local_bundle
bundle, mlflow = Bundle.load(local_bundle()), registry.client()
for experiment in sys.argv[1:]:
    run = mlflow.create_run(registry.ensure_experiment(experiment, "made up")).info.run_id
    mlflow.log_artifacts(run, str(bundle.folder), "bundle")
registry.promote(registry.register(bundle, "rakuten-classification", run, {}), "me", "a test")
"""


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Settings]]:
    """Have this process use the store in a folder."""

    def use(folder: Path) -> Settings:
        monkeypatch.setenv("CATALOG_MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        get_settings.cache_clear()
        return get_settings()

    yield use
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a champion and another run, made by a process that has ended: MLflow's client remembers places."""
    folder = tmp_path_factory.mktemp("first") / "mlflow-store"
    folder.mkdir()
    env = {**os.environ, "CATALOG_MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    subprocess.run([sys.executable, "-c", MAKE, *EXPERIMENTS], cwd=ROOT, env=env, check=True)
    return folder


@pytest.mark.parametrize("copied", [False, True])
def test_what_was_registered_is_found_where_the_folder_is_now(
    first: Path, copied: bool, tmp_path: Path, use: Callable[[Path], Settings], redis: Redis
) -> None:
    there = tmp_path / "Été à 50 % #2 '\"" / "mlflow-store"
    shutil.copytree(first, there)
    if not copied:
        first.rename(first.with_name("hidden"))
    settings = use(there)
    bundle = Bundle.load(local_bundle())
    assert registry.fetch(CHAMPION, tmp_path / "cache").id == bundle.id
    assert [version.version for version in RegistryService(settings, redis).refresh().versions] == ["1"]

    mlflow = registry.client()
    for name in EXPERIMENTS:
        experiment = mlflow.get_experiment_by_name(name)
        assert experiment is not None
        (run,) = mlflow.search_runs([experiment.experiment_id])
        for place in (experiment.artifact_location, run.info.artifact_uri):
            assert str(place).startswith(there.as_uri()), "what is logged now goes there"
    assert str(mlflow.get_model_version(NAME, "1").source).startswith(there.as_uri())
    if not copied:
        first.with_name("hidden").rename(first)


def test_artifacts_elsewhere_stay_where_they_are(first: Path, tmp_path: Path, use: Callable[[Path], Settings]) -> None:
    store, elsewhere = Path(shutil.copytree(first, tmp_path / "a")), (tmp_path / "elsewhere").as_uri()
    use(store)
    registry.client().create_experiment("elsewhere", elsewhere)
    store.rename(tmp_path / "b")
    use(tmp_path / "b")
    found = registry.client().get_experiment_by_name("elsewhere")
    assert found is not None
    assert found.artifact_location == elsewhere
