"""The workspace of a training has the source that the request names, and what lies beside it."""

import shutil
import subprocess
from pathlib import Path

import yaml

from shared.ledger import TrainingRequest
from shared.settings import ROOT, Settings
from worker.trainings.checkouts import Checkout, check_out

BESIDE = {"taxonomy": "/data/mine/categories.csv", "pictures": "/data/mine/pictures.zip"}


def _repository(folder: Path) -> Path:
    """A repository whose params.yaml names a source of its own, with categories and pictures elsewhere."""
    (folder / ".dvc").mkdir(parents=True)
    for name in ("dvc.yaml", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy(ROOT / name, folder / name)
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["import_data"] |= {"source": "/data/mine/products.csv", **BESIDE}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    author = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    for command in (["init", "--quiet"], ["add", "--all"], [*author, "commit", "--quiet", "-m", "made up"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def _imported_from(tmp_path: Path, request: TrainingRequest) -> dict[str, object]:
    settings = Settings(
        training_repository=_repository(tmp_path / "repository"),
        labels_url=str(tmp_path / "labels"),
        training_sources={"spring": "/data/spring"},
    )
    checkout = Checkout(tmp_path / "home")
    check_out(checkout, request, settings)
    params = yaml.safe_load((checkout.repository / "params.yaml").read_text(encoding="utf-8"))
    return {name: params["import_data"][name] for name in ("source", *BESIDE)}


def test_categories_and_pictures_of_another_source_are_not_taken(tmp_path: Path) -> None:
    found = _imported_from(tmp_path, TrainingRequest(params={}, source="spring"))
    assert found == {"source": "/data/spring", "taxonomy": None, "pictures": None}


def test_without_a_named_source_params_yaml_counts(tmp_path: Path) -> None:
    found = _imported_from(tmp_path, TrainingRequest(params={}))
    assert found == {"source": "/data/mine/products.csv", **BESIDE}
