"""MLflow's tracking store and model registry: experiments, registered bundles, and where a bundle is to be found."""

from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlparse

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from shared.model.bundle import Bundle, BundleError
from shared.settings import MLFLOW_STORE, REGISTRY_SCHEME, get_settings


def client() -> MlflowClient:
    return MlflowClient(get_settings().mlflow_tracking_uri)


def ensure_experiment(name: str) -> str:
    """The experiment's id; it is created where it is missing.

    With the SQLite store opened directly (no server), artefacts must lie where the server will look for them later.
    """
    mlflow = client()
    found = mlflow.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    direct = urlparse(get_settings().mlflow_tracking_uri).scheme == "sqlite"
    location = (MLFLOW_STORE / "artifacts" / name).as_uri() if direct else None
    MLFLOW_STORE.mkdir(exist_ok=True)
    try:
        return str(mlflow.create_experiment(name, artifact_location=location))
    except MlflowException:  # another process was first
        found = mlflow.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)


def register(bundle: Bundle, name: str, run_id: str, figures: dict[str, float]) -> str:
    """Make the bundle that run `run_id` logged a version of the registered model `name`; returns the version's number.

    The newest is the alias `challenger`; the first one ever is `champion` too.
    """
    mlflow = client()
    try:
        mlflow.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"{mlflow.get_run(run_id).info.artifact_uri}/bundle"
    tags = {"bundle": bundle.version, **{key: f"{value:.4f}" for key, value in figures.items()}}
    version = str(mlflow.create_model_version(name, source, run_id=run_id, tags=tags).version)
    mlflow.set_registered_model_alias(name, "challenger", version)
    if "champion" not in mlflow.get_registered_model(name).aliases:
        mlflow.set_registered_model_alias(name, "champion", version)
    return version


def fetch(model: str, cache: Path) -> Bundle:
    """The verified bundle at `model`, a registry URI such as `models:/name@champion`.

    Raises:
        BundleError: it is not there, cannot be fetched, or is damaged.
    """
    try:
        version = _version(model)
        folder = cache / f"{version.name}-{version.version}"
        if not folder.exists():
            _download(str(version.source), folder)
    except (MlflowException, OSError) as error:
        raise BundleError(f"{model} cannot be fetched from MLflow's registry: {error}") from error
    return Bundle.load(folder)


def _version(model: str) -> ModelVersion:
    """Of `models:/name@alias` or `models:/name/version`."""
    name = model.removeprefix(REGISTRY_SCHEME)
    if "@" in name:
        return client().get_model_version_by_alias(*name.split("@", 1))
    return client().get_model_version(*name.split("/", 1))


def _download(source: str, folder: Path) -> None:
    """All of it or nothing, also when two workers begin at the same time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as unfinished:
        found = download_artifacts(source, dst_path=unfinished, tracking_uri=get_settings().mlflow_tracking_uri)
        if not folder.exists():
            Path(found).rename(folder)
