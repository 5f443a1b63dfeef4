"""A stage's code is among its `deps` in dvc.yaml: else DVC would call it unchanged and keep what old code has made."""

from pathlib import Path

import pytest
import yaml

from shared.pipeline.stages import STAGES
from shared.settings import ROOT
from tests.import_graph import code_behind, covered, packages_behind
from training.list_inputs import PACKAGES

CHANGES_NO_OUTPUT = {
    "client/catalog_client/__init__.py": "faces the client, of which the stages use the reader of tables beside it",
    "shared/__init__.py": "sets the environment of MLflow's client",
    "shared/code_hash.py": "says which features may be used again",
    "shared/drift/__init__.py": "faces Redis; the stages use the profile beside it, which is listed",
    "shared/log_limits.py": "bounds how many lines a log gets",
    "shared/pipeline/params.py": "reads params.yaml, whose values DVC compares itself",
    "shared/pipeline/stages.py": "names files, which dvc.yaml names as well",
    "shared/registry": "registers models with MLflow",
    "shared/settings.py": "says where MLflow is",
    "training/__init__.py": "quietens TensorFlow's log",
    "training/fit/epoch_bar.py": "shows progress",
    "training/pipeline/layout.py": "names files, which dvc.yaml names as well",
    "training/pipeline/progress.py": "shows progress",
    "training/pipeline/tracking.py": "logs to MLflow; of its own it leaves only the ids of runs",
}
"""Code that no stage depends on, with the reason: it may change and every output stays as it is."""


@pytest.mark.parametrize("stage", STAGES)
def test_deps_hold_all_code_behind_the_stage(stage: str) -> None:
    code = code_behind([f"training.{stage}"], without=CHANGES_NO_OUTPUT)
    missing = sorted(file for file in code if not covered(file, _deps(stage)))
    assert not missing, f"add to the deps of {stage} in dvc.yaml, or to CHANGES_NO_OUTPUT with a reason: {missing}"


@pytest.mark.parametrize("stage", STAGES)
def test_deps_hold_no_other_code(stage: str) -> None:
    code = code_behind([f"training.{stage}"])
    listed = [path for path in _deps(stage) if path.startswith(("shared/", "training/"))]
    idle = [path for path in listed if not any(covered(file, [path]) for file in code)]
    assert not idle, f"the stage {stage} imports nothing of {idle}"


NOT_COMPUTING = {
    "fsspec": "reads bytes, whose marks are listed",
    "httpcore": "reads bytes, whose marks are listed",
    "httpx": "reads bytes, whose marks are listed",
    "jax": "is a runtime of some machines, on which evaluations depend as they do on the processor",
    "jinja2": "lays out the gate's page, which no stage depends on",
    "markupsafe": "lays out the gate's page, which no stage depends on",
    "mlflow": "keeps runs",
    "psutil": "measures memory",
    "pydantic": "checks parameters",
    "pydantic_core": "checks parameters",
    "pydantic_settings": "reads settings",
    "redis": "is Redis' client",
    "tqdm": "shows progress",
    "urllib3": "is MLflow's connection",
    "yaml": "reads params.yaml",
}
"""Packages that the stages import and no output depends on, with the reason."""


def test_the_packages_that_compute_are_listed() -> None:
    """Their versions are an input of every stage: DVC knows no package."""
    imported = set().union(*(packages_behind([f"training.{stage}"], CHANGES_NO_OUTPUT) for stage in STAGES))
    listed = {{"pillow": "PIL", "scikit-learn": "sklearn"}.get(name, name) for name in PACKAGES}
    assert sorted(imported - NOT_COMPUTING.keys() - listed) == []
    assert sorted(listed - imported) == []
    assert all("data/inputs/packages.json" in _deps(stage) for stage in STAGES)


def test_imports_within_functions_and_of_packages_count() -> None:
    code = code_behind(["training.preprocess"])
    assert code >= {"shared/model/runtimes/tensorflow.py", "shared/drift/__init__.py"}
    assert "shared/model/__init__.py" not in code  # a docstring and a face


def test_the_exclusions_exist() -> None:
    assert [path for path in CHANGES_NO_OUTPUT if not (ROOT / path).exists()] == []


def _deps(stage: str) -> list[str]:
    pipeline = yaml.safe_load(Path(ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    deps: list[str] = pipeline["stages"][stage]["deps"]
    return deps
