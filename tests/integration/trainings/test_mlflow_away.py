"""MLflow's server goes away while a training needs it, and comes back: the training waits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from shared.pipeline.stages import GATE
from shared.settings import ROOT
from stack.services import Stack, pick_ports
from tests.conftest import Trained
from tests.waiting import wait_for
from tests.workspace import Workspace

AWAITED = "tries to reach MLflow"
EVALUATE = "evaluate"

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True)
class Service:
    stack: Stack
    api: httpx.Client

    def ask(self, **body: Any) -> str:
        """The training's URL."""
        return str(self.api.post("/v1/trainings", json=body).raise_for_status().json()["url"])

    def stage(self, url: str, name: str) -> dict[str, Any]:
        training = self.api.get(url).raise_for_status().json()
        assert training["finished_at"] is None, training["error"]
        (found,) = [stage for stage in training["stages"] if stage["name"] == name]
        return dict(found)

    def awaits_mlflow(self, url: str, stage: str) -> None:
        wait_for(f"{stage} waits for MLflow", lambda: self.stage(url, stage)["what"] == AWAITED, 120, pause_s=0.2)

    def completed(self, url: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            training: dict[str, Any] = self.api.get(url).raise_for_status().json()
            return training if training["finished_at"] else None

        training = wait_for(f"{url} ends", ended, 200, pause_s=0.5)
        assert training["state"] == "completed", training["error"]
        return training


@pytest.fixture(scope="module")
def service(workspace: Workspace, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """All but a worker; in the repository everything is trained already."""
    folder = tmp_path_factory.mktemp("été à 50 % #1")
    repository = workspace.copy(folder / "repository")
    repository.commit_all()
    settings = {
        "CATALOG_TRAINING_REPOSITORY": str(repository.folder),
        "CATALOG_TRAINING_WORKSPACES": str(folder / "workspaces"),
        "CATALOG_MODEL": str(trained.bundle.folder),
        "CATALOG_MODEL_CACHE": str(folder / "models"),
        "MLFLOW_STORE": str(folder / "mlflow-store"),
    }
    stack = Stack(ROOT, folder / "stack", pick_ports(preferred=False), settings)
    for start in (stack.start_redis, stack.start_housekeeper, stack.start_trainer, stack.start_api):
        start()
    with httpx.Client(base_url=stack.url, timeout=60) as api:
        yield Service(stack, api)
    stack.close()


def test_evaluate_and_the_gate_wait_for_mlflow(service: Service) -> None:
    url = service.ask(params={"evaluate": {"data_licence": "made up"}}, promote="never")
    service.awaits_mlflow(url, EVALUATE)
    service.stack.start_mlflow()
    wait_for("the gate runs", lambda: service.stage(url, GATE)["state"] == "running", 120, pause_s=0.1)
    service.stack.process("mlflow").kill()
    service.awaits_mlflow(url, GATE)
    service.stack.revive()
    training = service.completed(url)
    assert training["version"] == "1"
    assert training["verdict"]["challenger"] == training["bundle"]
    log = service.api.get(f"{url}/log", params={"lines": 1000}).text
    assert "MLflow does not answer; the stage waits for it (try 1)" in log
    assert "Traceback" not in log


def test_the_trainer_waits_for_mlflow_where_no_stage_runs(service: Service) -> None:
    service.stack.process("mlflow").kill()
    url = service.ask(params={"evaluate": {"data_licence": "made up"}}, promote="never")  # known, so nothing runs
    service.awaits_mlflow(url, EVALUATE)
    assert service.stage(url, EVALUATE)["cached"]
    service.stack.revive()
    assert service.completed(url)["version"] == "1"


def test_a_training_that_waits_for_mlflow_can_be_cancelled(service: Service) -> None:
    service.stack.process("mlflow").kill()
    url = service.ask(params={"evaluate": {"data_licence": "another"}}, promote="never")
    service.awaits_mlflow(url, EVALUATE)
    assert service.api.post(f"{url}/cancel").raise_for_status().json()["state"] == "cancelled"
    health = wait_for(
        "the trainer is free",
        lambda: (trainers := service.api.get("/health").json()["trainers"])[0]["training"] is None and trainers,
        30,
    )
    assert len(health) == 1
