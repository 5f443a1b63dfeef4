"""A backup of a busy service, restored on empty stores: every job that was accepted before it is accounted for."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow import MlflowClient
from redis import Redis

from shared.model.bundle import Bundle
from shared.registry import mlflow as registry
from shared.settings import ROOT, get_settings
from shared.tenants.api_keys import KeyStore, Scope
from stack.processes import free_port
from stack.services import Ports, Stack
from tests.bundles import another
from tests.pictures import clouds, in_base64
from tests.waiting import finished, wait_for

NAME = "rakuten-classification"
SCOPES = (Scope.CLASSIFY, Scope.TRAIN)


class Client:
    """A tenant's client, which remembers what was accepted."""

    def __init__(self, url: str, key: str) -> None:
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)
        self.accepted: dict[str, tuple[str, dict[str, Any]]] = {}
        """Idempotency key → the job's id and its request."""

    def submit(self, key: str, items: list[dict[str, Any]]) -> dict[str, Any]:
        body = {"items": items}
        answer = self.http.post("/v1/jobs", json=body, headers={"Idempotency-Key": key})
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        job: dict[str, Any] = answer.json()
        self.accepted[key] = (job["id"], body)
        return job


def titles(name: str, count: int) -> list[dict[str, Any]]:
    return [{"id": f"{name}-{i}", "title": f"Coque de téléphone {name} {i}"} for i in range(count)]


def pictured(name: str, count: int) -> list[dict[str, Any]]:
    pictures = (in_base64(clouds(seed, 80)) for seed in range(len(name), len(name) + count))
    return [{"id": f"{name}-picture-{i}", "image": {"base64": picture}} for i, picture in enumerate(pictures)]


def environment(folder: Path) -> dict[str, str]:
    """Settings of a stack whose registry and cache of models are its own."""
    return {
        "CATALOG_MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
        "CATALOG_MODEL_CACHE": str(folder / "models"),
        "CATALOG_TRACK_PREDICTIONS": "false",
        "CATALOG_RATE_LIMIT": "100000/minute",
    }


def promoted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Register two bundles in the folder's MLflow, promote the second, and return its id."""
    for name, value in environment(folder).items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    starter = Bundle.load(ROOT / "models/starter")
    mlflow = registry.client()
    experiment = mlflow.create_experiment("trainings", (folder / "artifacts").as_uri())
    for bundle in (starter, champion := another(starter, folder / "bundle")):
        run = mlflow.create_run(experiment).info.run_id
        mlflow.log_artifacts(run, str(bundle.folder), "bundle")
        registry.register(bundle, NAME, run, {"test.fusion.weighted_f1": 0.75})
    registry.promote("2", "anna", "it is better")
    return champion.id


@pytest.fixture
def first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    folder = tmp_path / "first"
    folder.mkdir()
    promoted(folder, monkeypatch)
    ports = Ports(redis=free_port(), api=free_port(), mlflow=None)
    with Stack(ROOT, folder, ports, environment(folder)) as running:
        yield running
    get_settings.cache_clear()


def run(command: str, backup: Path, stack: Stack) -> "subprocess.CompletedProcess[str]":
    line = [sys.executable, "-m", "stack.roles", command, str(backup)]
    return subprocess.run(line, cwd=ROOT, env=stack.env, capture_output=True, text=True, check=False, timeout=120)


def served(client: Client) -> Any:
    models = client.http.get("/v1/models").raise_for_status().json()
    known = {model["version"]: model["bundle"] for model in models["models"]}
    return models["champion"], models["previous"], known


def busy(client: Client, stopped: threading.Event) -> None:
    """Submit jobs, one after the other."""
    number = 0
    while not stopped.is_set():
        client.submit(f"meanwhile-{number}", titles(f"meanwhile{number}", 40))
        number += 1


def prepare(stack: Stack, client: Client) -> dict[str, Any]:
    """Make jobs in every state, labels, and a training that waits; return what clients read of those that are done."""
    done = client.submit("done", [*titles("done", 20), *pictured("done", 5)])
    finished(client.http, done["url"])
    cancelled = client.submit("cancelled", titles("cancelled", 3000))
    client.http.post(f"{cancelled['url']}/cancel").raise_for_status()
    finished(client.http, cancelled["url"])
    labels = [{"job_id": done["id"], "item_id": f"done-{i}", "code": 40} for i in range(3)]
    client.http.post("/v1/labels", json={"labels": labels}).raise_for_status()
    training = client.http.post("/v1/trainings", json={}).raise_for_status().json()
    client.submit("running", titles("running", 20_000))
    client.submit("pictures", pictured("pictures", 60))
    return {
        url: client.http.get(url).raise_for_status().json()
        for url in (f"{done['url']}/results", f"{cancelled['url']}/results", "/v1/labels")
    } | {"training": training["url"]}


def test_a_backup_of_a_busy_service_is_restored_elsewhere(first: Stack, tmp_path: Path) -> None:
    _, key = KeyStore(Redis(port=first.ports.redis)).create("shop", SCOPES)
    client = Client(first.url, key)
    known = prepare(first, client)
    training = known.pop("training")
    before = dict(client.accepted)
    models = wait_for("the registry's copy is there", lambda: served(client))
    stopped = threading.Event()
    posting = threading.Thread(target=busy, args=(client, stopped))
    posting.start()
    try:
        saved = run("backup", tmp_path / "backup", first)
    finally:
        stopped.set()
        posting.join()
    assert saved.returncode == 0, saved.stderr
    assert "1 API keys" in saved.stdout
    refused = run("restore", tmp_path / "backup", first)
    assert refused.returncode == 1
    assert "only into an empty installation" in refused.stderr
    first.close()

    folder = tmp_path / "second"
    ports = Ports(redis=free_port(), api=free_port(), mlflow=None)
    with Stack(ROOT, folder, ports, environment(folder), backup=str(tmp_path / "backup")) as second:
        assert second.serves()
        restored = Client(second.url, key)
        for url, told in known.items():
            assert restored.http.get(url).raise_for_status().json() == told
        assert restored.http.get(training).raise_for_status().json()["state"] == "queued"
        assert served(restored) == models
        check_accepted(restored, before, everything=True)
        check_accepted(restored, client.accepted, everything=False)
        latest = finished(restored.http, restored.submit("new", titles("new", 3))["url"])
        assert latest["counts"]["succeeded"] == 3
    assert MlflowClient(environment(folder)["CATALOG_MLFLOW_TRACKING_URI"]).get_model_version(NAME, "2").run_id


def check_accepted(client: Client, accepted: dict[str, tuple[str, dict[str, Any]]], *, everything: bool) -> None:
    """Each job completes with one outcome per item, and its idempotency key leads to it; later ones may be unknown."""
    for key, (job, body) in accepted.items():
        answer = client.http.get(f"/v1/jobs/{job}")
        if answer.status_code == httpx.codes.NOT_FOUND and not everything:
            continue
        ended = finished(client.http, f"/v1/jobs/{job}")
        counts = ended["counts"]
        assert counts["total"] == len(body["items"])
        assert counts["failed"] == counts["expired"] == counts["invalid"] == 0, (key, counts)
        assert ended["state"] == ("cancelled" if key == "cancelled" else "completed")
        again = client.http.post("/v1/jobs", json=body, headers={"Idempotency-Key": key})
        assert again.json()["id"] == job
        ids = list(result_ids(client.http, f"/v1/jobs/{job}/results"))
        assert len(ids) == len(set(ids)) == len(body["items"])


def result_ids(http: httpx.Client, url: str) -> Iterator[str]:
    cursor: str | None = None
    while True:
        params = {"limit": "1000", **({"cursor": cursor} if cursor else {})}
        page = http.get(url, params=params).raise_for_status().json()
        yield from (result["id"] for result in page["results"])
        cursor = page.get("next_cursor")
        if not cursor or not page["results"]:
            return
