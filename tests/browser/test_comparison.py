"""The page of a training that compares challenger and champion, in a browser without a network."""

import pytest
from mlflow import MlflowClient

from shared.pipeline.stages import COMPARISON, VERDICT
from tests.browser.chromium import show
from tests.workspace import Workspace
from training.pipeline.layout import STARTER


@pytest.fixture(scope="module")
def judged(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the trained workspace in which the gate has compared the bundle with the starter."""
    copy = workspace.copy(tmp_path_factory.mktemp("judged") / "workspace")
    copy.run("training.gate", "--champion", str(STARTER))
    return copy


@pytest.mark.parametrize("width", [1280, 500])
def test_the_comparison_is_one_file_that_fits_the_window(judged: Workspace, width: int) -> None:
    page = judged.folder / VERDICT.with_name(COMPARISON)
    shown = show(page, width=width)
    assert shown.external_resources == ""
    assert "Better and worse by category" in shown.html
    assert shown.images == shown.loaded_images > 4, "four plots, and pictures of items"
    assert not shown.overflows
    assert page.stat().st_size < 3_000_000


def test_the_page_and_the_card_are_artefacts_of_the_run(judged: Workspace) -> None:
    mlflow = MlflowClient(f"sqlite:///{judged.folder}/mlflow-store/mlflow.db")
    version = mlflow.get_model_version_by_alias("rakuten-classification", "challenger")
    files = [file.path for folder in ("gate", "report") for file in mlflow.list_artifacts(str(version.run_id), folder)]
    assert {"gate/comparison.html", "gate/verdict.json", "report/model_card.md"} <= set(files)
    assert "serve in place of" in str(version.description)
