"""Clients that others generate from the document: they are generated here, and the one in Python calls the service."""

import importlib
import pkgutil
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.generators.conftest import generate
from tests.waiting import wait_for

_JAVA = "src/main/java/org/openapitools/client"


@pytest.fixture(scope="session")
def python_client(document: Path, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """What openapi-python-client makes, with every module imported."""
    folder = tmp_path_factory.mktemp("python")
    package = folder / "generated_catalog"
    printed = generate(
        "openapi-python-client", "generate", "--path", document, "--meta", "none", "--output-path", package
    )
    unsupported = printed.count("Unsupported content type")
    assert printed.count("WARNING") == unsupported, f"only tables and lines are left out:\n{printed}"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        generated = importlib.import_module(package.name)
        for module in pkgutil.walk_packages(generated.__path__, f"{package.name}."):
            importlib.import_module(module.name)
    return generated


def _of(generated: ModuleType, path: str) -> Any:
    return importlib.import_module(f"{generated.__name__}.{path}")


def test_the_python_client_submits_reads_predicts_and_labels(python_client: ModuleType, service_url: str) -> None:
    models, client = _of(python_client, "models"), python_client.Client(base_url=service_url)

    def call(operation: str, *path: str, **more: Any) -> Any:
        answer = _of(python_client, f"api.{operation}").sync_detailed(*path, client=client, **more)
        assert answer.status_code < HTTPStatus.BAD_REQUEST, answer.content
        return answer.parsed

    items = [models.ItemIn(id="sku-1", title="Livre"), models.ItemIn(id="sku-2", title="Lampe")]
    job = call("jobs.jobs_submit", body=models.JobIn(items=items))
    wait_for("the job has ended", lambda: call("jobs.jobs_get", job.id).state == models.JobState.COMPLETED)
    page = call("jobs.jobs_list_results", job.id)
    assert {result.id: (result.category.code, result.bundle) for result in page.results} == {
        "sku-1": ("10", "b1"),
        "sku-2": ("10", "b1"),
    }
    predicted = call("jobs.jobs_predict", body=models.PredictIn(description="Livre"))
    assert (predicted.category_id, predicted.result.bundle) == (10, "b1")
    label = models.LabelIn(code="10", job_id=job.id, item_id="sku-1")
    kept = call("labels.labels_submit", body=models.LabelsIn(labels=[label]))
    assert (kept.accepted, kept.confirmations) == (1, 1)


def test_the_java_client_has_typed_items_and_labels(document: Path, tmp_path: Path) -> None:
    command = ("openapi-generator-cli", "generate", "--input-spec", document, "--generator-name", "java")
    generate(*command, "--library", "native", "--output", tmp_path)

    def source(name: str) -> str:
        return (tmp_path / _JAVA / f"{name}.java").read_text(encoding="utf-8")

    assert "List<ItemIn> getItems()" in source("model/JobIn")
    assert "List<LabelIn> getLabels()" in source("model/LabelsIn")
    for member in ("getCode", "getTitle", "getImage", "getJobId", "getItemId", "getBy", "getAt"):
        assert f"{member}()" in source("model/LabelIn")
    assert "JobOut jobsSubmit(@javax.annotation.Nonnull JobIn jobIn" in source("api/JobsApi")
