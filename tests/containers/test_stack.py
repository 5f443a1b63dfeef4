"""`docker compose up`, and what must hold when its containers die."""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from stack.services import ROOT
from tests.containers.conftest import Compose

pytestmark = pytest.mark.timeout(1200)

PROCESSES = ["beat", "courier", "mlflow", "model-api", "redis", "training-worker", "worker"]


def wait_until(what: Callable[[], bool], timeout_s: float = 180) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s"
        time.sleep(0.2)


def submit(compose: Compose, catalogue: Path, *options: str) -> str:
    """The id of a job with the catalogue's products."""
    key = compose.headers["Authorization"].removeprefix("Bearer ")
    table, pictures = catalogue / "X_test_update.csv", catalogue / "images/image_test"
    command = [sys.executable, "-m", "catalog_client", "submit", str(table), "--pictures", str(pictures), "--no-wait"]
    command += ["--url", compose.url, "--key", key, *options]
    told = subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.PIPE, text=True).stderr
    return told.partition("job ")[2].partition(":")[0]


def job(compose: Compose, identifier: str) -> dict[str, Any]:
    found: dict[str, Any] = compose.get(f"/v1/jobs/{identifier}").raise_for_status().json()
    return found


def results(compose: Compose, identifier: str) -> list[dict[str, Any]]:
    lines = compose.get(f"/v1/jobs/{identifier}/results?format=ndjson").raise_for_status().text.splitlines()
    return [json.loads(line) for line in lines]


def ids(catalogue: Path) -> list[str]:
    with (catalogue / "X_test_update.csv").open(newline="") as table:
        return [row[""] for row in csv.DictReader(table)]


def answers(compose: Compose) -> bool:
    try:
        return compose.get("/health/ready").is_success
    except httpx.TransportError:
        return False


def test_every_container_is_healthy_and_confined(compose: Compose) -> None:
    found = [json.loads(line) for line in compose.run("ps", "--format", "json").splitlines()]
    assert sorted(one["Service"] for one in found) == PROCESSES
    assert {one["Health"] for one in found} == {"healthy"}
    for service in PROCESSES:
        if service != "redis":
            assert compose.inspect(service, "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}") == "true [ALL]"
            assert compose.run("exec", service, "id", "-u").strip() == "10001"


def test_a_caller_from_outside_needs_a_key(compose: Compose) -> None:
    assert httpx.get(f"{compose.url}/v1/jobs/0").status_code == httpx.codes.UNAUTHORIZED
    health = compose.get("/health").json()
    assert health["status"] == "pass"
    assert len(health["bundles"]) == 1


def test_one_command_sends_a_batch_and_gets_its_results_and_its_webhook(compose: Compose) -> None:
    said = compose.run("run", "--rm", "--no-TTY", "demo", "27")
    assert "The signed webhook came and its signature is right: job.completed" in said
    assert "'succeeded': 27" in said


def test_nothing_is_lost_when_a_worker_dies_and_redis_is_killed(compose: Compose, pictures: Path) -> None:
    """The worker's processes are killed, as for want of memory: it comes back by its restart policy."""
    accepted = submit(compose, pictures)
    wait_until(lambda: job(compose, accepted)["counts"]["succeeded"] > 0)
    born = compose.inspect("worker", "{{.State.StartedAt}}")
    compose.run("exec", "worker", "sh", "-c", "kill -9 -1 || true")
    wait_until(lambda: compose.inspect("worker", "{{.State.StartedAt}}") != born)

    before = job(compose, accepted)["counts"]
    assert before["pending"], "the job was over too soon for this test to show anything"
    compose.run("kill", "--signal", "KILL", "redis")
    second = submit_until_accepted(compose, pictures)
    wait_until(lambda: {job(compose, one)["state"] for one in (accepted, second)} == {"completed"}, timeout_s=400)

    for one in (accepted, second):
        counts = job(compose, one)["counts"]
        assert counts["succeeded"] == counts["total"] == len(ids(pictures))
        assert sorted(result["id"] for result in results(compose, one)) == sorted(ids(pictures))


def submit_until_accepted(compose: Compose, catalogue: Path) -> str:
    """What a client does while the service says 503: it tries again. Redis was killed by hand, so it is started so."""
    assert not answers(compose)
    compose.run("start", "redis")
    wait_until(lambda: answers(compose))
    return submit(compose, catalogue)


def test_jobs_outlive_their_containers(compose: Compose, pictures: Path) -> None:
    accepted = submit(compose, pictures)
    compose.run("down", "--timeout", "30")
    compose.run("up", "--wait")
    wait_until(lambda: job(compose, accepted)["state"] == "completed", timeout_s=400)
    assert sorted(result["id"] for result in results(compose, accepted)) == sorted(ids(pictures))


def test_a_training_runs_in_its_container(compose: Compose) -> None:
    create = ("exec", "model-api", "catalog-keys", "create", "--tenant", "acme", "--scope", "train")
    trainer = {"Authorization": f"Bearer {compose.run(*create).strip()}"}
    asked = {"promote": "never", "params": {"train": {"text": {"epochs": 1}, "image": {"epochs": 1}}}}
    opened = httpx.post(f"{compose.url}/v1/trainings", json=asked, headers=trainer, timeout=30).raise_for_status()
    where = opened.headers["Location"]

    def training() -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(compose.url + where, headers=trainer, timeout=30).raise_for_status().json()
        return found

    wait_until(lambda: training()["finished_at"] is not None, timeout_s=900)
    ended = training()
    assert ended["state"] == "completed", ended
    assert {stage["state"] for stage in ended["stages"]} == {"done"}
    assert ended["version"] == "1"
