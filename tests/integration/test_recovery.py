"""A worker that dies takes nothing with it."""

import os
import signal
from pathlib import Path

import httpx

from shared.settings import ROOT
from stack.processes import free_port
from stack.services import Ports, Stack
from tests.conftest import Trained
from tests.pictures import in_base64, jpeg
from tests.waiting import finished, wait_for


def test_a_killed_workers_chunks_are_taken_over(trained: Trained, tmp_path: Path) -> None:
    settings = {"CATALOG_MODEL": str(trained.bundle.folder), "CATALOG_TRACK_PREDICTIONS": "false"}
    ports = Ports(redis=free_port(), api=free_port(), mlflow=None)
    stack = Stack(ROOT, tmp_path, ports, settings)
    with stack, httpx.Client(base_url=stack.url, timeout=60) as api:
        picture = {"base64": in_base64(jpeg())}
        items = [{"id": str(i), "title": f"Jouet {i}", "image": picture} for i in range(200)]
        job = api.post("/v1/jobs", json={"items": items}).json()
        wait_for("the job runs", lambda: api.get(job["url"]).json()["state"] == "running")
        os.kill(stack.worker.pid, signal.SIGKILL)
        stack.start_worker()
        ended = finished(api, job["url"], timeout_s=120)
        page = api.get(job["results_url"]).json()
    assert ended["state"] == "completed"
    assert sorted(int(result["id"]) for result in page["results"]) == list(range(200))
