"""MLflow's tracking store and model registry: experiments, registered bundles, and where to fetch a bundle.

Three aliases mark versions: `champion` serves, `previous` served before it, and `challenger` is the version that was
trained last. A trial, such as a run of a parameter sweep, does not become challenger (`Settings.trial`). Without a
champion the bundle on the worker's disk serves, and a rollback may return to it.
"""

import os
import shutil
import sys
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion as Registered
from mlflow.exceptions import MlflowException
from mlflow.store import db
from mlflow.tracking.request_header.registry import resolve_request_headers
from requests.exceptions import HTTPError, RequestException

from shared.model.bundle import MANIFEST, Bundle, BundleError, UnreachableError, is_bundle_id
from shared.pipeline.stages import GateVerdict
from shared.registry import descriptions
from shared.registry.account import client_variables, refusal
from shared.registry.descriptions import EXPERIMENT_KIND, NOTE
from shared.registry.moved_store import artifacts_of, follow
from shared.registry.reading import (
    BUNDLE,
    VERDICT,
    change_tag,
    read_aliases,
    read_history,
    read_version,
    run_of,
)
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
_OF_DATABASES = (
    "alembic.command",
    "alembic.config",
    "mlflow.store.model_registry.sqlalchemy_workspace_store",
    "mlflow.store.tracking.sqlalchemy_workspace_store",
)
_REFUSALS = ("UNAUTHENTICATED", "PERMISSION_DENIED")
_ARTIFACT = "bundle"
"""The folder of a run's artefacts that holds its bundle."""
_TRIAL = "trial"
"""The tag of a version that must not become challenger by being trained."""
_VERSIONS, _CHANGES = 100, 200
"""How many versions and changes are shown; older changes are deleted."""
_CACHED = 4
"""Bundles kept on disk beside those that an alias names."""


_follow_once = cache(follow)


class RegistryError(RuntimeError):
    """The change is impossible in the registry's present state; the message says why."""


class UnknownVersionError(RegistryError):
    """The registry has no such version."""


def is_away(error: BaseException) -> bool:
    """Whether a call of MLflow failed because its server could not be reached, or could answer nothing but 5xx."""
    return isinstance(error, MlflowException) and isinstance(error.__context__, RequestException)


def is_refused(error: BaseException) -> bool:
    """Whether MLflow's server does not know the account, or does not let it do what was asked for."""
    if isinstance(error, HTTPError):  # what artefacts raise
        return error.response is not None and error.response.status_code in (401, 403)
    return isinstance(error, MlflowException) and error.error_code in _REFUSALS


def reason(error: BaseException) -> str:
    """Return what to tell a person of an error of MLflow's."""
    return refusal(get_settings()) if is_refused(error) else str(error)


def client() -> MlflowClient:
    prepare_client()
    return MlflowClient(get_settings().mlflow_tracking_uri)


def prepare_client() -> None:
    """Have MLflow's client use the account in the settings and no proxy on the way to it, or find its moved store."""
    settings = get_settings()
    os.environ.update(client_variables(settings))
    if (database := sqlite_file(settings.mlflow_tracking_uri)) is not None:
        _follow_once(database)


def sqlite_file(uri: str) -> Path | None:
    """Return the SQLite file that is opened without a server; `None` if the store is another one."""
    return Path(uri.removeprefix(_SQLITE).partition("?")[0]) if uri.startswith(_SQLITE) else None


def import_client() -> None:
    """Import what MLflow's client would import at its first use, for a process whose threads use it at once."""
    store = get_settings().mlflow_tracking_uri
    if store.startswith(("http:", "https:")):
        resolve_request_headers()  # type: ignore[no-untyped-call]
        return
    of_tables = (f"{db.__name__}.{module.name}" for module in iter_modules(db.__path__))
    for module in (*_OF_DATABASES, *of_tables):
        import_module(module)
    import_module("sqlalchemy").create_engine(store)  # imports the driver, and connects to nothing


def page(path: str) -> str | None:
    """Return the address of a page of MLflow's interface; `None` if the store is opened without a server.

    MLflow 3 shows its menus for language models unless the address asks for machine learning.
    """
    uri = get_settings().mlflow_tracking_uri
    return f"{uri.rstrip('/')}/#/{path}?workflowType=machine_learning" if uri.startswith("http") else None


def ensure_experiment(name: str, description: str) -> str:
    """Return the experiment's id; create the experiment, or bring its description up to date, first.

    With the SQLite store opened directly (no server), artefacts must lie where the server will look for them later.
    """
    mlflow = client()
    tags = {**EXPERIMENT_KIND, NOTE: description}
    found = mlflow.get_experiment_by_name(name)
    if found is not None:
        for key, value in tags.items():
            if found.tags.get(key) != value:
                mlflow.set_experiment_tag(found.experiment_id, key, value)
        return str(found.experiment_id)
    database = sqlite_file(get_settings().mlflow_tracking_uri)
    # Beside the database: the folder in which a training runs is removed later.
    location = artifacts_of(name, database.parent) if database else None
    try:
        return str(mlflow.create_experiment(name, artifact_location=location, tags=tags))
    except MlflowException:  # another process was first
        found = mlflow.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)


def register(bundle: Bundle, name: str, run_id: str, figures: dict[str, float]) -> str:
    """Make the bundle that run `run_id` logged a version of the registered model `name`; returns the version's number.

    The version becomes `challenger`, unless the training is a trial. Only `promote` changes which version serves.
    """
    mlflow, trial = client(), _is_trial()
    try:
        mlflow.create_registered_model(name, description=descriptions.MODEL)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        if mlflow.get_registered_model(name).description != descriptions.MODEL:
            mlflow.update_registered_model(name, descriptions.MODEL)
    # In the bundle's folder, where MLflow looks for a version's signature; the bundle's manifest does not name it.
    mlflow.log_text(run_id, descriptions.mlmodel(bundle), f"{_ARTIFACT}/MLmodel")
    source = bundle_uri(run_id)
    tags = {BUNDLE: bundle.id, **{key: f"{value:.4f}" for key, value in figures.items()}}
    note = descriptions.version_note(bundle, figures, trial=trial)
    if trial:
        tags[_TRIAL] = "true"
    version = str(mlflow.create_model_version(name, source, run_id=run_id, tags=tags, description=note).version)
    if not trial:
        mlflow.set_registered_model_alias(name, CHALLENGER, version)
    return version


def bundle_uri(run_id: str) -> str:
    """Return where the run's bundle lies, as a version names it."""
    return f"{client().get_run(run_id).info.artifact_uri}/{_ARTIFACT}"


def record_verdict(version: str, verdict: GateVerdict, name: str | None = None) -> None:
    """Put the gate's verdict on the version: as its description, and as tags for searches and for the API.

    If a trial's bundle is now judged for a training that is no trial, the version becomes `challenger`.
    """
    mlflow, name = client(), _name(name)
    mlflow.set_model_version_tag(name, version, "gate", "passed" if verdict.passed else "failed")
    mlflow.set_model_version_tag(name, version, VERDICT, verdict.model_dump_json())
    mlflow.update_model_version(name, version, descriptions.verdict_note(verdict))
    if _TRIAL in mlflow.get_model_version(name, version).tags and not _is_trial():
        mlflow.delete_model_version_tag(name, version, _TRIAL)
        if state(name).aliases.get(CHAMPION) != version:
            mlflow.set_registered_model_alias(name, CHALLENGER, version)


def record_promise(version: str, note: str, name: str | None = None) -> None:
    """Put on the version how the promise of precise answers stands; its page in MLflow shows the tag."""
    client().set_model_version_tag(_name(name), version, "promise", note)


def version_of(bundle: str, name: str | None = None) -> str | None:
    """Return the newest version with this bundle; `None` if there is none."""
    return next((known.version for known in _versions(_name(name)) if known.bundle == bundle), None)


def promote(version: str, by: str, why: str, name: str | None = None) -> RegistryState:
    """Make the version the champion and the former champion `previous`; change nothing if it is the champion already.

    Callers take turns: see `worker/serving/registry_service.py`.

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
    """Exchange `previous` and the champion; a second rollback undoes the first.

    If no version served before the champion, the local bundle serves again.

    Raises:
        RegistryError: no version was ever promoted.
    """
    before = state(_name(name))
    champion, previous = before.aliases.get(CHAMPION), before.aliases.get(PREVIOUS)
    if champion is None and previous is None:
        raise RegistryError(f"no version of {before.name} was ever promoted, so there is nothing to roll back")
    _change(before, ChangeKind.ROLLBACK, previous, champion, by, why)
    return state(before.name)


def state(name: str | None = None) -> RegistryState:
    """Return versions, aliases and history; all are empty if no version was ever registered."""
    mlflow, name = client(), _name(name)
    try:
        model = mlflow.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return RegistryState(name=name)
    aliases = read_aliases(model.aliases)
    versions = _versions(name)
    missing = set(aliases.values()) - {version.version for version in versions}
    old = [read_version(mlflow.get_model_version(name, version)) for version in sorted(missing, key=int, reverse=True)]
    known = (*versions, *filter(None, old))
    return RegistryState(name=name, versions=known, aliases=aliases, history=read_history(model.tags))


def fetch(model: str, cache: Path) -> Bundle:
    """Return the verified bundle at `model`, a registry URI such as `models:/name@champion`.

    Raises:
        UnreachableError: the registry cannot be reached, or has no such version.
        BundleError: the bundle is damaged, or not the one that was registered.
    """
    try:
        version = _version(model)
        bundle = _in_cache(model, version, cache) or _download(model, version, cache)
        _prune(cache, version.name, bundle.folder)
    except (BundleError, RegistryError):
        raise
    except Exception as error:  # MLflow's, or whatever the store of its artifacts raises
        raise UnreachableError(f"{model} cannot be fetched from MLflow's registry: {reason(error)}") from error
    return bundle


def _is_trial() -> bool:
    """Tell whether this training is a trial; every run of `dvc exp run` is one, because DVC sets its name."""
    return get_settings().trial or "DVC_EXP_NAME" in os.environ


def _name(name: str | None) -> str:
    return name or get_settings().registered_model


def _now() -> datetime:
    return datetime.now(UTC)


def _change(
    before: RegistryState, kind: ChangeKind, champion: str | None, previous: str | None, by: str, why: str
) -> None:
    """Record the change, then move the aliases: an alias must never move without a record."""
    mlflow, name = client(), before.name
    change = ChampionChange(kind=kind, at=_now(), by=by, why=why, champion=champion, previous=previous)
    mlflow.set_registered_model_tag(name, change_tag(change), change.model_dump_json())
    for old in before.history[_CHANGES - 1 :]:
        mlflow.delete_registered_model_tag(name, change_tag(old))
    for alias, version in ((PREVIOUS, previous), (CHAMPION, champion)):
        if version is not None:
            mlflow.set_registered_model_alias(name, alias, version)
        elif alias in before.aliases:
            mlflow.delete_registered_model_alias(name, alias)
    if champion is not None and before.aliases.get(CHALLENGER) == champion:
        mlflow.delete_registered_model_alias(name, CHALLENGER)


def _versions(name: str) -> tuple[ModelVersion, ...]:
    """Return the last `_VERSIONS` versions, the newest first."""
    found = client().search_model_versions(f"name = '{name}'", _VERSIONS, ["version_number DESC"])
    return tuple(known for version in found if (known := read_version(version)) is not None)


def _version(model: str) -> Registered:
    """Look up `models:/name@alias` or `models:/name/version`."""
    name = model.removeprefix(REGISTRY_SCHEME)
    if "@" in name:
        return client().get_model_version_by_alias(*name.split("@", 1))
    return client().get_model_version(*name.split("/", 1))


def _in_cache(model: str, version: Registered, cache: Path) -> Bundle | None:
    """Return the version's bundle if the cache has it; removes a damaged one, so that it is fetched again.

    Raises:
        BundleError: the version's tag is not the name of a bundle. No path is made of it.
    """
    if (name := version.tags.get(BUNDLE)) is None:
        return None
    if not is_bundle_id(name):
        raise BundleError(f"{model} has a tag {BUNDLE} that is not the name of a bundle: train it again")
    folder = cache / name
    if not folder.exists():
        return None
    try:
        return Bundle.load(folder)
    except BundleError:
        shutil.rmtree(folder)
        return None


def _download(model: str, version: Registered, cache: Path) -> Bundle:
    """Download and verify all files of the version's run or keep none, even if two workers do so at the same time.

    The version's own `source` could name any place, a folder of this machine too, so it is not followed.
    """
    if (run := run_of(version)) is None:
        raise BundleError(f"{model} was registered by no training: train it again")
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache) as unfinished:
        uri = get_settings().mlflow_tracking_uri
        found = Path(download_artifacts(run_id=run, artifact_path=_ARTIFACT, dst_path=unfinished, tracking_uri=uri))
        bundle = Bundle.load(found)
        if bundle.id != version.tags.get(BUNDLE, bundle.id):
            raise BundleError(f"{model} is bundle {bundle.id}, registered was {version.tags[BUNDLE]}: train it again")
        folder = cache / bundle.id
        if not folder.exists():
            found.rename(folder)
    return Bundle.load(folder)


def _prune(cache: Path, name: str, fetched: Path) -> None:
    """Remove the least recently used bundles, except those that an alias names."""
    fetched.touch()
    current = state(name)
    named = {version.bundle for alias in current.aliases if (version := current.aliased(alias))}
    kept = [path.parent for path in cache.glob(f"*/{MANIFEST}") if is_bundle_id(path.parent.name)]
    others = [folder for folder in kept if folder.name not in named]
    for folder in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True)[_CACHED:]:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Print a bundle's folder: `python -m shared.registry.mlflow URI CACHE` spares workers the import of MLflow."""
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
