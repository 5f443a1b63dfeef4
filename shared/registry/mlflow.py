"""MLflow's tracking store and model registry: experiments, registered bundles, and where a bundle is to be found.

Three aliases say how things stand: `challenger` is the version that was trained last, `champion` the one that serves,
`previous` the one that served before. Without a champion a bundle on the worker's disk serves; a rollback may lead back
to that, too.
"""

import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion as Registered
from mlflow.exceptions import MlflowException

from shared.model.bundle import MANIFEST, Bundle, BundleError, UnreachableError
from shared.pipeline.stages import GateVerdict
from shared.registry.state import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    ChampionChange,
    ChangeKind,
    ModelVersion,
    RegistryState,
)
from shared.settings import REGISTRY_SCHEME, get_settings

_SQLITE = "sqlite:///"
_BUNDLE, _VERDICT, _FIGURES, _CHANGE = "bundle", "gate.verdict", "test.", "change."
"""Tags of a version; the last one of the registered model, where each change of the champion has a tag of its own."""
_VERSIONS, _CHANGES = 100, 200
"""How many are shown; of the changes no more are kept."""
_CACHED = 4
"""Bundles kept on disk beside those that an alias names."""


class RegistryError(RuntimeError):
    """What was asked for makes no sense as things stand; the message says why."""


class UnknownVersionError(RegistryError):
    """The registry has no such version."""


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
    uri = get_settings().mlflow_tracking_uri
    # Beside the database: a training runs in a folder that does not stay.
    store = Path(uri.removeprefix(_SQLITE)).resolve().parent if uri.startswith(_SQLITE) else None
    location = (store / "artifacts" / name).as_uri() if store else None
    try:
        return str(mlflow.create_experiment(name, artifact_location=location))
    except MlflowException:  # another process was first
        found = mlflow.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)


def register(bundle: Bundle, name: str, run_id: str, figures: dict[str, float]) -> str:
    """Make the bundle that run `run_id` logged a version of the registered model `name`; returns the version's number.

    It is the `challenger`; who serves is `promote`'s business alone.
    """
    mlflow = client()
    try:
        mlflow.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"{mlflow.get_run(run_id).info.artifact_uri}/bundle"
    tags = {_BUNDLE: bundle.id, **{key: f"{value:.4f}" for key, value in figures.items()}}
    version = str(mlflow.create_model_version(name, source, run_id=run_id, tags=tags).version)
    mlflow.set_registered_model_alias(name, CHALLENGER, version)
    return version


def tag_verdict(version: str, verdict: GateVerdict, name: str | None = None) -> None:
    """Put the gate's verdict on the version, for people (`gate`) and for the API."""
    mlflow, name = client(), _name(name)
    mlflow.set_model_version_tag(name, version, "gate", "passed" if verdict.passed else "failed")
    mlflow.set_model_version_tag(name, version, _VERDICT, verdict.model_dump_json())


def version_of(bundle: str, name: str | None = None) -> str | None:
    """The newest version that is this bundle; `None` where there is none."""
    return next((known.version for known in _versions(_name(name)) if known.bundle == bundle), None)


def promote(version: str, by: str, why: str, name: str | None = None) -> RegistryState:
    """Make the version the champion, and the champion `previous`; changes nothing where it is the champion.

    Not for two at a time: see `worker/serving/registry_service.py`.

    Raises:
        UnknownVersionError: there is no such version.
    """
    name = _name(name)
    state_before = state(name)
    if state_before.find(version) is None:
        raise UnknownVersionError(f"the registry has no version {version} of {name}")
    before = state_before.aliases.get(CHAMPION)
    if before == version:
        return state_before
    _change(state_before, ChangeKind.PROMOTE, version, before, by, why)
    for key, value in (("by", by), ("at", _now().isoformat()), ("why", why)):
        client().set_model_version_tag(name, version, f"promoted_{key}", value)
    return state(name)


def rollback(by: str, why: str, name: str | None = None) -> RegistryState:
    """Let `previous` and the champion change places; a second time undoes it.

    Where nothing served before the champion, the local bundle serves again.

    Raises:
        RegistryError: nothing was ever promoted.
    """
    before = state(_name(name))
    champion, previous = before.aliases.get(CHAMPION), before.aliases.get(PREVIOUS)
    if champion is None and previous is None:
        raise RegistryError(f"no version of {before.name} was ever promoted, so there is nothing to roll back")
    _change(before, ChangeKind.ROLLBACK, previous, champion, by, why)
    return state(before.name)


def state(name: str | None = None) -> RegistryState:
    """Versions, aliases and history; all empty where nothing was ever registered."""
    mlflow, name = client(), _name(name)
    try:
        model = mlflow.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return RegistryState(name=name)
    aliases = {alias: str(version) for alias, version in model.aliases.items()}
    versions = _versions(name)
    missing = set(aliases.values()) - {version.version for version in versions}
    old = [_read(mlflow.get_model_version(name, version)) for version in sorted(missing, key=int, reverse=True)]
    changes = sorted((key for key in model.tags if key.startswith(_CHANGE)), reverse=True)
    history = tuple(ChampionChange.model_validate_json(model.tags[key]) for key in changes)
    return RegistryState(name=name, versions=(*versions, *old), aliases=aliases, history=history)


def fetch(model: str, cache: Path) -> Bundle:
    """The verified bundle at `model`, a registry URI such as `models:/name@champion`.

    Raises:
        UnreachableError: it cannot be fetched now.
        BundleError: it is damaged, or not the one that was registered.
    """
    try:
        version = _version(model)
        folder = cache / version.tags.get(_BUNDLE, f"{version.name}-{version.version}")
        if not _sound(folder):
            _download(str(version.source), folder)
        _prune(cache, version.name, folder)
    except (MlflowException, OSError) as error:
        raise UnreachableError(f"{model} cannot be fetched from MLflow's registry: {error}") from error
    bundle = Bundle.load(folder)
    if bundle.id != version.tags.get(_BUNDLE, bundle.id):
        raise BundleError(f"{model} is bundle {bundle.id}, registered was {version.tags[_BUNDLE]}: train it again")
    return bundle


def _name(name: str | None) -> str:
    return name or get_settings().registered_model


def _now() -> datetime:
    return datetime.now(UTC)


def _change(
    before: RegistryState, kind: ChangeKind, champion: str | None, previous: str | None, by: str, why: str
) -> None:
    """The record first: an alias that has moved must not lack one."""
    mlflow, name = client(), before.name
    change = ChampionChange(kind=kind, at=_now(), by=by, why=why, champion=champion, previous=previous)
    mlflow.set_registered_model_tag(name, _change_tag(change), change.model_dump_json())
    for old in before.history[_CHANGES - 1 :]:
        mlflow.delete_registered_model_tag(name, _change_tag(old))
    for alias, version in ((PREVIOUS, previous), (CHAMPION, champion)):
        if version is not None:
            mlflow.set_registered_model_alias(name, alias, version)
        elif alias in before.aliases:
            mlflow.delete_registered_model_alias(name, alias)
    if champion is not None and before.aliases.get(CHALLENGER) == champion:
        mlflow.delete_registered_model_alias(name, CHALLENGER)


def _change_tag(change: ChampionChange) -> str:
    """Sorts by time."""
    return change.at.strftime(f"{_CHANGE}%Y-%m-%dT%H:%M:%S.%fZ")


def _versions(name: str) -> tuple[ModelVersion, ...]:
    """The newest ones, the newest first."""
    found = client().search_model_versions(f"name = '{name}'", _VERSIONS, ["version_number DESC"])
    return tuple(_read(version) for version in found)


def _read(version: Registered) -> ModelVersion:
    tags = version.tags
    return ModelVersion(
        version=str(version.version),
        bundle=tags.get(_BUNDLE, ""),
        run_id=version.run_id,
        created_at=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
        figures={key: float(value) for key, value in sorted(tags.items()) if key.startswith(_FIGURES)},
        verdict=GateVerdict.model_validate_json(tags[_VERDICT]) if _VERDICT in tags else None,
    )


def _version(model: str) -> Registered:
    """Of `models:/name@alias` or `models:/name/version`."""
    name = model.removeprefix(REGISTRY_SCHEME)
    if "@" in name:
        return client().get_model_version_by_alias(*name.split("@", 1))
    return client().get_model_version(*name.split("/", 1))


def _sound(folder: Path) -> bool:
    """Whether a bundle lies there as it was fetched; what is left of a damaged one is removed, to be fetched anew."""
    if not folder.exists():
        return False
    try:
        Bundle.load(folder)
    except BundleError:
        shutil.rmtree(folder)
        return False
    return True


def _download(source: str, folder: Path) -> None:
    """All of it or nothing, also when two workers begin at the same time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as unfinished:
        found = download_artifacts(source, dst_path=unfinished, tracking_uri=get_settings().mlflow_tracking_uri)
        if not folder.exists():
            Path(found).rename(folder)


def _prune(cache: Path, name: str, fetched: Path) -> None:
    """Remove the bundles that were fetched or asked for longest ago, but for those that an alias names."""
    fetched.touch()
    current = state(name)
    named = {version.bundle for alias in current.aliases if (version := current.aliased(alias))}
    others = [path.parent for path in cache.glob(f"*/{MANIFEST}") if path.parent.name not in named]
    for folder in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)[_CACHED:]:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """`python -m shared.registry.mlflow URI CACHE` prints the bundle's folder: workers need not load MLflow for it."""
    model, cache = sys.argv[1:]
    try:
        print(fetch(model, Path(cache)).folder)  # noqa: T201
    except UnreachableError as error:
        print(error, file=sys.stderr)  # noqa: T201
        raise SystemExit(75) from error  # EX_TEMPFAIL
    except BundleError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
