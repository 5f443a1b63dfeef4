"""The registered model with its versions, and the runs of their trainings, saved and restored through MLflow's API.

So it is the same whether MLflow keeps its records in SQLite or PostgreSQL, its files in a folder or a bucket. MLflow
gives a restored run another id, and a restored version another time; the numbers of versions stay.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import Metric, Param, Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from pydantic import BaseModel, ConfigDict

from shared.registry.descriptions import NOTE, RESTORED_FROM
from shared.registry.mlflow import bundle_uri, client, ensure_experiment
from shared.registry.reading import run_of, version_number
from shared.settings import get_settings
from shared.stores.blobs import blob_name
from stack.backup.archive import Archive, BackupError, NotEmptyError, SavedFile, Writer
from stack.backup.progress import ProgressLines

_REGISTRY = "models/registry.json"
_BACKUP = "restored_from_backup"
"""The tag of a registered model that a restore made, or was interrupted while making: the backup's id."""
_MOST_VERSIONS = 10_000
_METRICS, _PARAMS, _PAGE = 1000, 100, 1000
"""What MLflow takes, or gives, in one call."""
_MISSING = "RESOURCE_DOES_NOT_EXIST"
_T = TypeVar("_T")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="constants")


class _Metric(_Record):
    key: str
    value: float
    timestamp: int
    step: int


class _Run(_Record):
    id: str
    experiment: str
    """Its name."""
    name: str | None
    status: str
    started: int
    ended: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Sequence[_Metric]
    files: Mapping[str, str]
    """Path of an artefact → sha256 of its bytes."""


class _Version(_Record):
    number: int
    run: str
    description: str
    tags: Mapping[str, str]


class _Registry(_Record):
    """What `registry.json` holds."""

    description: str
    tags: Mapping[str, str]
    aliases: Mapping[str, str]
    experiments: Mapping[str, str]
    """Name → description."""
    versions: Sequence[_Version]
    """Oldest first."""
    runs: Sequence[_Run]
    """Parents come before their children."""


def save(name: str, writer: Writer, progress: ProgressLines) -> int:
    """Save the registered model; return the number of its versions.

    Raises:
        MlflowException: MLflow cannot be reached.
    """
    mlflow = client()
    try:
        model = mlflow.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != _MISSING:
            raise
        return 0
    found = sorted(_versions(mlflow, name), key=lambda version: int(version.version))
    saver, versions = _RunSaver(mlflow, writer), list[_Version]()
    with progress.of("versions of the model", len(found)) as more:
        for version in found:
            run = run_of(version)
            if run is None or not saver.save(run):
                progress.say(f"left out, because its training's run is gone: version {version.version}")
            else:
                number = int(version.version)
                versions.append(
                    _Version(number=number, run=run, description=version.description or "", tags=version.tags)
                )
            more(1)
    registry = _Registry(
        description=model.description or "",
        tags=model.tags,
        aliases={alias: str(version) for alias, version in model.aliases.items()},
        experiments=saver.experiments,
        versions=versions,
        runs=list(saver.runs.values()),
    )
    writer.add(_REGISTRY, registry.model_dump_json().encode())
    return len(versions)


class ModelsLoad:
    """Makes the registered model of a backup again in an MLflow that has none of its name."""

    def __init__(self, name: str, archive: Archive, progress: ProgressLines) -> None:
        self._name = name
        self._archive = archive
        self._progress = progress
        self._mlflow = client()

    def check_empty(self) -> None:
        """Raise `BackupError` if there is such a model that no interrupted restore of this backup has left."""
        try:
            model = self._mlflow.get_registered_model(self._name)
        except MlflowException as error:
            if error.error_code != _MISSING:
                raise
            return
        if model.tags.get(_BACKUP) != self._archive.manifest.id:
            raise NotEmptyError(
                f"MLflow already has a model {self._name}",
                "delete the model, or name an empty MLflow in CATALOG_MLFLOW_TRACKING_URI",
            )
        self._mlflow.delete_registered_model(self._name)

    def load(self) -> None:
        """Raises `MlflowException` if MLflow cannot be reached."""
        registry = self._registry()
        if registry is None:
            return
        self._mlflow.create_registered_model(
            self._name, tags={_BACKUP: self._archive.manifest.id}, description=registry.description
        )
        runs = _RunLoader(self._mlflow, self._archive, registry)
        with self._progress.of("versions of the model", len(registry.versions)) as more:
            for version in registry.versions:
                run = runs.load(version.run)
                while (number := self._create(version, run)) < version.number:
                    self._mlflow.delete_model_version(self._name, str(number))
                if number != version.number:
                    raise BackupError(f"MLflow has given version {version.number} the number {number}")
                more(1)
        for tag, value in registry.tags.items():
            if tag != _BACKUP:
                self._mlflow.set_registered_model_tag(self._name, tag, value)
        for alias, version_name in registry.aliases.items():
            self._mlflow.set_registered_model_alias(self._name, alias, version_name)

    def _create(self, version: _Version, run: str) -> int:
        """Create the next version, whose number MLflow chooses; return it."""
        made = self._mlflow.create_model_version(
            self._name, bundle_uri(run), run_id=run, tags=dict(version.tags), description=version.description
        )
        return int(made.version)

    def _registry(self) -> _Registry | None:
        for file in self._archive.files(_REGISTRY):
            try:
                registry = _Registry.model_validate_json(self._archive.read(file))
            except ValueError as error:
                raise BackupError(f"{self._archive.shown} is damaged: {_REGISTRY} has a wrong form: {error}") from None
            if any(not 0 < version.number <= _MOST_VERSIONS for version in registry.versions):
                raise BackupError(
                    f"{self._archive.shown} is damaged: {_REGISTRY} has a version of an impossible number"
                )
            return registry
        return None


class _RunSaver:
    """Saves runs with their children and files, each once."""

    def __init__(self, mlflow: MlflowClient, writer: Writer) -> None:
        self._mlflow = mlflow
        self._writer = writer
        self._written = set[str]()
        self.runs: dict[str, _Run] = {}
        self.experiments: dict[str, str] = {}

    def save(self, run_id: str) -> bool:
        """Return whether there is such a run."""
        if run_id in self.runs:
            return True
        try:
            run = self._mlflow.get_run(run_id)
        except MlflowException as error:
            if error.error_code != _MISSING:
                raise
            return False
        experiment = self._mlflow.get_experiment(run.info.experiment_id)
        self.experiments[experiment.name] = experiment.tags.get(NOTE, "")
        children = self._mlflow.search_runs([run.info.experiment_id], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run_id}'")
        for each in (run, *children):
            self.runs[each.info.run_id] = self._saved(each, experiment.name)
        return True

    def _saved(self, run: Run, experiment: str) -> _Run:
        return _Run(
            id=run.info.run_id,
            experiment=experiment,
            name=run.info.run_name,
            status=run.info.status,
            started=run.info.start_time,
            ended=run.info.end_time,
            tags=run.data.tags,
            params=run.data.params,
            metrics=[
                _Metric(key=point.key, value=point.value, timestamp=point.timestamp, step=point.step)
                for key in run.data.metrics
                for point in self._mlflow.get_metric_history(run.info.run_id, key)
            ],
            files=dict(self._files(run.info.run_id)),
        )

    def _files(self, run_id: str) -> Iterator[tuple[str, str]]:
        """Save the run's artefacts; yield the path and the sha256 of each."""
        if not self._mlflow.list_artifacts(run_id):
            return
        uri = get_settings().mlflow_tracking_uri
        with TemporaryDirectory() as folder:
            found = Path(download_artifacts(run_id=run_id, artifact_path="", dst_path=folder, tracking_uri=uri))
            for path in sorted(path for path in found.rglob("*") if path.is_file()):
                data = path.read_bytes()
                sha256 = blob_name(data)
                if sha256 not in self._written:
                    self._writer.add(_file(sha256), data)
                    self._written.add(sha256)
                yield path.relative_to(found).as_posix(), sha256


class _RunLoader:
    """Makes runs again, each once, with their children and files."""

    def __init__(self, mlflow: MlflowClient, archive: Archive, registry: _Registry) -> None:
        self._mlflow = mlflow
        self._archive = archive
        self._registry = registry
        self._files = {file.path: file for file in archive.files("models/files/")}
        self._made: dict[str, str] = {}

    def load(self, saved: str) -> str:
        """Return the id of the run that stands in for the saved one."""
        if saved in self._made:
            return self._made[saved]
        for run in self._registry.runs:
            if saved in (run.id, run.tags.get(MLFLOW_PARENT_RUN_ID)):
                self._made[run.id] = self._make(run)
        if saved not in self._made:
            raise BackupError(f"{self._archive.shown} is damaged: it has no run {saved!r}")
        return self._made[saved]

    def _make(self, run: _Run) -> str:
        experiment = ensure_experiment(run.experiment, self._registry.experiments.get(run.experiment, ""))
        tags = {RESTORED_FROM: run.id, **run.tags}
        if (parent := tags.get(MLFLOW_PARENT_RUN_ID)) is not None:
            tags[MLFLOW_PARENT_RUN_ID] = self._made.get(parent, parent)
        made = self._mlflow.create_run(experiment, start_time=run.started, tags=tags, run_name=run.name).info.run_id
        for metrics in _batches(run.metrics, _METRICS):
            points = [Metric(metric.key, metric.value, metric.timestamp, metric.step) for metric in metrics]
            self._mlflow.log_batch(made, metrics=points)
        for params in _batches(list(run.params.items()), _PARAMS):
            self._mlflow.log_batch(made, params=[Param(key, value) for key, value in params])
        for path, sha256 in run.files.items():
            self._log_file(made, path, sha256)
        self._mlflow.set_terminated(made, run.status, run.ended)
        return str(made)

    def _log_file(self, run: str, path: str, sha256: str) -> None:
        saved: SavedFile | None = self._files.get(_file(sha256))
        folder, _, name = path.rpartition("/")
        if saved is None or saved.sha256 != sha256 or not name or ".." in path.split("/") or path.startswith("/"):
            raise BackupError(f"{self._archive.shown} is damaged: it has no file for {path!r} of a run")
        with TemporaryDirectory() as unpacked:
            local = Path(unpacked) / name
            local.write_bytes(self._archive.read(saved))
            self._mlflow.log_artifact(run, str(local), folder or None)


def _file(sha256: str) -> str:
    return f"models/files/{sha256[:2]}/{sha256}"


def _versions(mlflow: MlflowClient, name: str) -> Iterator[ModelVersion]:
    token = None
    while True:
        page = mlflow.search_model_versions(f"name = '{name}'", _PAGE, page_token=token)
        yield from (version for version in page if version_number(version.version) is not None)
        token = page.token
        if not token:
            return


def _batches(values: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    return (values[begin : begin + size] for begin in range(0, len(values), size))
