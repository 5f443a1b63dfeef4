"""A registered bundle made again, from its run's record alone: code, parameters, data. Run it in the repository as

.venv/bin/python -m training.rebuild VERSION --into FOLDER

VERSION is a version of the registry, a bundle's hash, or the id of an MLflow run. What DVC's cache or the remote has
need not be computed: then it is checked that the recorded inputs are the ones that gave the bundle. `--anew` computes
all of it.
"""

import argparse
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from shared.model.bundle import Bundle, BundleError
from shared.pipeline import dvc_remote as remote
from shared.pipeline.params import PATH
from shared.registry import mlflow as registry
from shared.settings import get_settings
from training.pipeline.layout import BUNDLE, LABELS
from training.pipeline.tracking import PIPELINE

_DIRTY = "-dirty"
_STAGE = "train"
"""The last one: an evaluation would register the bundle once more."""


class RebuildError(RuntimeError):
    """It cannot be made again; the message says what is missing."""


@dataclass(frozen=True)
class Record:
    """What a run tells of the bundle that it made."""

    run: str
    bundle: str
    code: str
    """git's revision, with `-dirty` where the tree had changes that no revision holds."""

    @classmethod
    def find(cls, name: str) -> "Record":
        """Of a version of the registry, a bundle, or a run's id.

        Raises:
            RebuildError: there is no such thing, or it says too little.
        """
        known = registry.state()
        found = known.find(name) or known.find(registry.version_of(name) or "")
        run_id = (found and found.run_id) or name
        try:
            tags = registry.client().get_run(run_id).data.tags
        except MlflowException as error:
            raise RebuildError(f"MLflow has neither a version, a bundle nor a run {name}: {error}") from error
        if "bundle" not in tags:
            raise RebuildError(f"run {run_id} made no bundle")
        if tags["code"].startswith("unknown"):
            raise RebuildError(f"run {run_id} ran outside a git repository: its code is not known")
        return cls(run_id, tags["bundle"], tags["code"])

    @property
    def revision(self) -> str:
        return self.code.removesuffix(_DIRTY)

    @property
    def dirty(self) -> bool:
        return self.code.endswith(_DIRTY)


def rebuild(record: Record, into: Path, *, anew: bool = False) -> Bundle:
    """The bundle, made in a checkout at `into`, which must not exist; registers nothing.

    Raises:
        RebuildError: git, DVC or MLflow lacks something.
    """
    if into.exists():
        raise RebuildError(f"{into} exists: name a folder that does not")
    cache = _output(Path.cwd(), *_dvc("cache", "dir"))
    _run(Path.cwd(), "git", "clone", "--quiet", "--no-checkout", str(Path.cwd()), str(into))
    _run(into, "git", "checkout", "--quiet", "--detach", record.revision)
    _run(into, *_dvc("config", "--local", "cache.dir", str(Path.cwd() / cache)))
    _recorded_files(record, into)
    options = ["--force"] if anew else []
    if (place := get_settings().dvc_remote) is not None:
        try:
            remote.connect(into, place)
        except remote.RemoteError as error:
            raise RebuildError(f"CATALOG_DVC_REMOTE: {error}") from error
        _run(into, *remote.FETCH)
        options.append(remote.PULL)
    labels = f"{LABELS}.dvc"
    if (into / labels).exists():
        _run(into, *_dvc("checkout", labels))
    _run(into, *_dvc("repro", *options, _STAGE))
    try:
        return Bundle.load(into / BUNDLE)
    except BundleError as error:
        raise RebuildError(str(error)) from error


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.rebuild", description=__doc__)
    parser.add_argument("version", help="a version of the registry, a bundle, or the id of a run")
    parser.add_argument("--into", type=Path, required=True, help="the folder of the checkout, which must not exist")
    parser.add_argument("--anew", action="store_true", help="compute all stages, whatever the cache has")
    asked = parser.parse_args()
    try:
        record = Record.find(asked.version)
        rebuilt = rebuild(record, asked.into.resolve(), anew=asked.anew)
    except RebuildError as error:
        raise SystemExit(f"not rebuilt: {error}") from error
    told = f"run {record.run} made bundle {record.bundle} from {record.code}"
    if record.dirty:
        told += f"; what was changed in that tree is in no revision, {record.revision} was taken without it"
    print(told)  # noqa: T201
    if rebuilt.id != record.bundle:
        raise SystemExit(f"another bundle: {asked.into} came to {rebuilt.id} (code {rebuilt.manifest.code})")
    print(f"the same bundle: {asked.into / BUNDLE}")  # noqa: T201


def _recorded_files(record: Record, into: Path) -> None:
    """Parameters, `dvc.lock` and labels, as the run had them.

    Parameters that differ from the revision's are the record's too, so git does not call the tree changed for them,
    unless it did so when the bundle was made.
    """
    with TemporaryDirectory() as folder:
        uri = get_settings().mlflow_tracking_uri
        try:
            download_artifacts(run_id=record.run, artifact_path=str(PIPELINE), dst_path=folder, tracking_uri=uri)
        except (MlflowException, OSError) as error:
            raise RebuildError(f"run {record.run} keeps no {PIPELINE}/, which it was made of: {error}") from error
        kept = Path(folder) / PIPELINE
        if not kept.is_dir():
            raise RebuildError(f"run {record.run} keeps no {PIPELINE}/: it is older than these records")
        shutil.copytree(kept, into, dirs_exist_ok=True)
    if not record.dirty:
        _run(into, "git", "update-index", "--skip-worktree", str(PATH))


def _dvc(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "dvc", *arguments]


def _run(folder: Path, *command: str) -> None:
    """Shows what the command prints; its MLflow store is the checkout's own."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    store = f"sqlite:///{folder}/mlflow-store/mlflow.db"
    env = {**os.environ, "PATH": path, "CATALOG_MLFLOW_TRACKING_URI": store}
    if subprocess.run(command, cwd=folder, env=env, check=False).returncode:  # noqa: S603
        raise RebuildError(f"in {folder}: {' '.join(command)} failed")


def _output(folder: Path, *command: str) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603


if __name__ == "__main__":
    main()
