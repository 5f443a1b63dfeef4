"""Make a registered bundle again from its run's record alone: code, parameters, data.

Run it in the repository: `.venv/bin/python -m training.rebuild VERSION --into FOLDER`. VERSION is a version of the
registry, a bundle's id, or the id of an MLflow run. A stage that DVC's cache or the remote knows is not run again: then
the recorded inputs are checked to be the ones that gave the bundle. `--recompute` runs all stages.
"""

import argparse
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from shared.model.bundle import Bundle, BundleError
from shared.pipeline.dvc_remote import FETCH, PULL, connect
from shared.pipeline.environment import tool_env
from shared.pipeline.params import PATH, load_params, without_password
from shared.pipeline.stages import LIST_INPUTS, STAGES
from shared.pipeline.workspace import DVC, WorkspaceError, clone, hide_changes, show
from shared.registry import mlflow as registry
from shared.settings import get_settings
from training.pipeline.layout import BUNDLE, LABELS
from training.pipeline.tracking import PIPELINE, PIPELINE_FILES

_DIRTY = "-dirty"
_LAST = "train"
"""The last stage to run: `evaluate` would register the bundle once more."""


class RebuildError(RuntimeError):
    """The bundle cannot be made again; the message says what is missing."""


@dataclass(frozen=True)
class Record:
    """What a run has on record about the bundle that it made."""

    run: str
    bundle: str
    code: str
    """The git revision, with `-dirty` where the tree had changes that no revision holds."""

    @classmethod
    def find(cls, name: str) -> "Record":
        """Return the record behind a version of the registry, a bundle, or a run's id.

        Raises:
            RebuildError: There is no such thing, or its run has too little on record.
        """
        known = registry.state()
        found = known.find(name) or known.find(registry.version_of(name) or "")
        run_id = (found and found.run_id) or name
        try:
            tags = registry.client().get_run(run_id).data.tags
        except MlflowException as error:
            raise RebuildError(
                f"MLflow has neither a version, a bundle nor a run {name}: {registry.reason(error)}"
            ) from error
        if "bundle" not in tags:
            raise RebuildError(f"run {run_id} made no bundle")
        if tags.get("code", "unknown").startswith("unknown"):
            raise RebuildError(f"run {run_id} ran outside a git repository: its code is not known")
        return cls(run_id, tags["bundle"], tags["code"])

    @property
    def revision(self) -> str:
        return self.code.removesuffix(_DIRTY)

    @property
    def dirty(self) -> bool:
        return self.code.endswith(_DIRTY)


def rebuild(record: Record, into: Path, *, recompute: bool = False) -> Bundle:
    """Make the bundle in a workspace at `into`, which must not exist; nothing is registered.

    Raises:
        RebuildError: git, DVC or MLflow lacks something.
    """
    if into.exists():
        raise RebuildError(f"{into} exists: name a folder that does not")
    try:
        clone(Path.cwd(), record.revision, into)
        _add_recorded_files(record, into)
        _repeat(into, recompute=recompute)
        return Bundle.load(into / BUNDLE)
    except (WorkspaceError, BundleError) as error:
        raise RebuildError(str(error)) from error


def _repeat(workspace: Path, *, recompute: bool) -> None:
    """Run the stages up to `train` in the workspace, whose MLflow store is its own; shows what they print."""
    env = {
        **tool_env(get_settings().training_environment),
        "CATALOG_MLFLOW_TRACKING_URI": f"sqlite:///{workspace}/mlflow-store/mlflow.db",
    }
    options = ["--force"] if recompute else []
    if (remote := get_settings().dvc_remote) is not None:
        connect(workspace, remote)
        show([*FETCH], workspace, env)
        options.append(PULL)
    labels = f"{LABELS}.dvc"
    if (workspace / labels).exists():
        show([*DVC, "checkout", labels], workspace, env)
    list_inputs(workspace, env, again=recompute)
    for stage in STAGES[: STAGES.index(_LAST) + 1]:
        show([*DVC, "repro", "--single-item", *options, stage], workspace, env)


def list_inputs(workspace: Path, env: Mapping[str, str], *, again: bool) -> None:
    """Bring the recorded listing of what lies outside git and DVC; if that is lost, or `again` is true, list it again.

    With the recorded one, a source that has changed since is no obstacle as long as DVC has what was imported. A source
    that is read once more has to be listed once more: a picture that was copied has another time, but the same content.
    """
    recorded = {} if again else _stages(workspace / "dvc.lock")
    if LIST_INPUTS in recorded:
        try:
            show([*DVC, "checkout", LIST_INPUTS], workspace, env)
        except WorkspaceError:
            recorded = {}
    if LIST_INPUTS not in recorded and LIST_INPUTS in _stages(workspace / "dvc.yaml"):
        show([*DVC, "repro", "--single-item", LIST_INPUTS], workspace, env)


def _stages(file: Path) -> Collection[str]:
    content = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
    stages: Collection[str] = (content or {}).get("stages", {})
    return stages


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.rebuild", description=__doc__)
    parser.add_argument("version", help="a version of the registry, a bundle, or the id of a run")
    parser.add_argument("--into", type=Path, required=True, help="folder for the workspace; it must not exist")
    parser.add_argument("--recompute", action="store_true", help="run all stages, also those that the cache knows")
    arguments = parser.parse_args()
    try:
        record = Record.find(arguments.version)
        rebuilt = rebuild(record, arguments.into.resolve(), recompute=arguments.recompute)
    except RebuildError as error:
        raise SystemExit(f"not rebuilt: {error}") from error
    origin = f"run {record.run} made bundle {record.bundle} from {record.code}"
    if record.dirty:
        origin += f"; the changes in that tree are in no revision: {record.revision} is taken without them"
    print(origin)  # noqa: T201
    if rebuilt.id != record.bundle:
        raise SystemExit(f"another bundle: {arguments.into} has {rebuilt.id} (code {rebuilt.manifest.code})")
    print(f"the same bundle: {arguments.into / BUNDLE}")  # noqa: T201


def _add_recorded_files(record: Record, into: Path) -> None:
    """Put parameters, `dvc.lock` and labels into the workspace, as the run had them.

    The parameters are on record, so git need not call the tree changed for them, unless it did so when the bundle was
    made.
    """
    with TemporaryDirectory() as folder:
        uri = get_settings().mlflow_tracking_uri
        try:
            download_artifacts(run_id=record.run, artifact_path=str(PIPELINE), dst_path=folder, tracking_uri=uri)
        except (MlflowException, OSError) as error:
            raise RebuildError(
                f"run {record.run} keeps no {PIPELINE}/, which is needed to repeat it: {error}"
            ) from error
        kept = Path(folder) / PIPELINE
        if not kept.is_dir():
            raise RebuildError(f"run {record.run} keeps no {PIPELINE}/: it is older than these records")
        # Only these: any program that reaches MLflow could add a dvc.yaml, whose commands would be run.
        for file in PIPELINE_FILES:
            if (kept / file).is_file() and not (kept / file).is_symlink():
                (into / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(kept / file, into / file)
    _name_places(into / PATH)
    if not record.dirty:
        hide_changes(into, PATH)


def _name_places(path: Path) -> None:
    """Put the places that the operator has named with a password where the record has them without one."""
    settings, here = get_settings(), load_params().import_data
    places = [*settings.training_sources.values(), *here.unlabelled, *([here.source] if here.source else [])]
    secret = {without_password(place): place for place in places if without_password(place) != place}
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    recorded = values["import_data"]
    source, unlabelled = recorded.get("source"), recorded.get("unlabelled") or []
    if secret.keys() & {source, *unlabelled}:
        named = {"source": secret.get(source, source), "unlabelled": [secret.get(text, text) for text in unlabelled]}
        path.write_text(yaml.safe_dump({**values, "import_data": {**recorded, **named}}, sort_keys=False))


if __name__ == "__main__":
    main()
