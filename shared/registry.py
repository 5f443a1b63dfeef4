"""MLflow's tracking store and model registry: experiments, registered bundles, and where a bundle is to be found."""

import os
from pathlib import Path
from urllib.parse import urlparse

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from shared.model.bundle import Bundle, BundleError
from shared.settings import MLFLOW_STORE, REGISTRY_SCHEME, get_settings

# An MLflow server that is away should be noticed in seconds, not after its client's default of several minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")


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
    """The verified bundle at `model`: a folder, or a registry URI such as `models:/name@champion`.

    Raises:
        BundleError: it is not there, cannot be fetched, or is damaged.
    """
    if not model.startswith(REGISTRY_SCHEME):
        return Bundle.load(Path(model))
    try:
        uri = _version_source(model)
        folder = cache / uri.removeprefix(REGISTRY_SCHEME).replace("/", "-")
        if not folder.exists():
            unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
            download_artifacts(uri, dst_path=str(unfinished), tracking_uri=get_settings().mlflow_tracking_uri)
            unfinished.rename(folder)
    except (MlflowException, OSError) as error:
        raise BundleError(f"{model} cannot be fetched from MLflow's registry: {error}") from error
    return Bundle.load(folder)


def _version_source(model: str) -> str:
    """`models:/name@alias` to `models:/name/version`, so that the cache never mistakes one version for another."""
    name, _, alias = model.removeprefix(REGISTRY_SCHEME).partition("@")
    if not alias:
        return model
    return f"{REGISTRY_SCHEME}{name}/{client().get_model_version_by_alias(name, alias).version}"
