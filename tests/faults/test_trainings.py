"""Trainings on a machine with a full disk."""

from pathlib import Path

from shared.settings import ROOT
from tests.faults.conftest import Service, client
from tests.waiting import wait_for


def test_a_training_on_a_full_disk_says_which_disk(small_disk: Path, parts: Service) -> None:
    stack = parts(
        {
            "CATALOG_TRAINING_REPOSITORY": str(ROOT),
            "CATALOG_TRAINING_WORKSPACES": str(small_disk / "trainings"),
            "CATALOG_MLFLOW_TRACKING_URI": f"sqlite:///{small_disk.parent}/mlflow.db",
        }
    )
    for start in (stack.start_redis, stack.start_housekeeper, stack.start_trainer, stack.start_api):
        start()
    with client(stack) as api:
        url = api.post("/v1/trainings", json={}).raise_for_status().json()["url"]
        wait_for("it ends", lambda: api.get(url).json()["finished_at"], 90)
        training = api.get(url).json()
    assert training["state"] == "failed"
    message = training["error"]["message"]
    assert message.startswith("the disk of …/trainings is full (")
    assert "make room there" in message
    assert "git" not in message
    assert f"the disk of {small_disk}/trainings is full (" in stack.process("trainer").log.read_text()
