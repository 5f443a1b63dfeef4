"""Promotions and rollbacks over HTTP while the whole service works."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow import MlflowClient

from shared.model.bundle import Bundle
from shared.settings import ROOT, local_bundle
from stack.processes import free_port
from stack.services import Ports, Stack
from tests.bundles import another
from tests.waiting import finished, wait_for
from training.pipeline.layout import STARTER

NAME = "rakuten-classification"
ITEMS = 30_000
"""So many that a job outlasts a change of the model on a busy machine, too."""


@dataclass(frozen=True)
class Registered:
    """Versions 1 and 2 are sound, the artefacts of 3 are damaged."""

    bundles: dict[str, Bundle]
    cache: Path

    def damage(self, version: str) -> None:
        """What a worker has fetched, and what it could fetch."""
        (self.cache / self.bundles[version].id / "text.npz").write_bytes(b"damaged")
        (self.bundles[version].folder / "text.npz").write_bytes(b"damaged")


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Registered:
    folder = tmp_path_factory.mktemp("registry")
    mlflow = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    mlflow.create_registered_model(NAME)
    starter, bundles = Bundle.load(ROOT / STARTER), {}
    experiment = mlflow.create_experiment("trainings", artifact_location=f"{folder.as_uri()}/runs")
    for number in (1, 2, 3):
        run = mlflow.create_run(experiment).info.run_id
        bundle = another(starter, folder / "runs" / run / "artifacts" / "bundle", number / 10)
        tags = {"bundle": bundle.id, "test.fusion.weighted_f1": "0.8000"}
        mlflow.create_model_version(NAME, bundle.folder.as_uri(), run_id=run, tags=tags)
        bundles[str(number)] = bundle
    (bundles["3"].folder / "text.npz").write_bytes(b"damaged")
    return Registered(bundles, folder / "cache")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, registered: Registered) -> Iterator[Stack]:
    settings = {
        "CATALOG_MLFLOW_TRACKING_URI": f"sqlite:///{registered.cache.parent}/mlflow.db",
        "CATALOG_MODEL_CACHE": str(registered.cache),
        "CATALOG_TRACK_PREDICTIONS": "false",
        "CATALOG_CACHED_PREDICTIONS": "0",
    }
    ports = Ports(redis=free_port(), api=free_port(), mlflow=None)
    with Stack(ROOT, tmp_path_factory.mktemp("stack"), ports, settings) as running:
        yield running


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        wait_for("the courier has copied the registry", lambda: client.get("/v1/models").json()["models"])
        yield client


def _promote(api: httpx.Client, version: str) -> dict[str, Any]:
    response = api.post(f"/v1/models/{version}/promote", json={"force": True, "reason": "a test"})
    answer: dict[str, Any] = response.raise_for_status().json()
    return answer


def _served(api: httpx.Client, bundle: str) -> None:
    wait_for(f"bundle {bundle} is served", lambda: api.get("/health").json()["bundles"] == [bundle])
    assert api.get("/v1/taxonomy").json()["bundle"] == bundle, "its categories are in force by then"


def _running(api: httpx.Client, items: int = ITEMS) -> str:
    """A bulk job with some results already."""
    lines = "".join(json.dumps({"id": str(i), "title": f"Lampe de bureau {i}"}) + "\n" for i in range(items))
    headers = {"Content-Type": "application/x-ndjson"}
    job: str = api.post("/v1/jobs", content=lines, headers=headers).raise_for_status().json()["url"]
    wait_for("it runs", lambda: api.get(job).json()["counts"]["succeeded"])
    return job


def _versions(api: httpx.Client, job: str, items: int = ITEMS) -> Counter[str]:
    """How many results each model gave: every item has one, and the job's record says the same."""
    ended = finished(api, job, timeout_s=200)
    lines = api.get(f"{job}/results", params={"format": "ndjson"}).raise_for_status().text.splitlines()
    results = [json.loads(line) for line in lines]
    assert sorted(result["index"] for result in results) == list(range(items))
    bundles = Counter(str(result["bundle"]) for result in results)
    assert ended["bundles"] == ended["model_versions"] == bundles
    return bundles


def test_promotions_and_rollback_during_a_job_lose_and_double_no_item(
    api: httpx.Client, registered: Registered
) -> None:
    local = Bundle.load(local_bundle()).id
    first, second = (registered.bundles[version].id for version in ("1", "2"))
    assert api.get("/health").json()["bundles"] == [local], "nothing was ever promoted"
    assert api.post("/v1/models/rollback").status_code == 409

    told = _promote(api, "1")
    assert (told["champion"], told["previous"]) == ("1", None)
    assert told["history"][0] | {"at": None} == {
        "kind": "promote", "at": None, "by": "local", "why": "a test", "champion": "1", "previous": None,
    }  # fmt: skip
    _served(api, first)
    assert api.post("/predict", json={"description": "x"}).json()["result"]["bundle"] == first

    _promote(api, "2")
    _served(api, second)  # from now on the worker has both at hand, and no job is done before they are fetched

    job = _running(api)
    told = api.post("/v1/models/rollback", json={"reason": "worse"}).raise_for_status().json()
    assert (told["champion"], told["previous"]) == ("1", "2")
    assert _versions(api, job).keys() == {first, second}
    _served(api, first)

    job = _running(api)
    told = _promote(api, "2")
    assert (told["champion"], told["previous"]) == ("2", "1")
    assert _versions(api, job).keys() == {first, second}
    _served(api, second)
    kinds = [change["kind"] for change in told["history"]]
    assert kinds == ["promote", "rollback", "promote", "promote"]


def test_damaged_champion_raises_an_alarm_and_the_old_one_serves(
    api: httpx.Client, stack: Stack, registered: Registered
) -> None:
    before = api.get("/health").json()["bundles"]
    _promote(api, "3")
    wait_for("the alarm is raised", lambda: api.get("/health").json()["warnings"])
    health = api.get("/health").json()
    assert health["status"] == "warn"
    assert "sha256 differs" in health["warnings"][0]
    assert health["bundles"] == before
    assert _versions(api, _running(api, 500), 500).keys() == set(before)
    assert "CRITICAL" in stack.worker.tail(1000)
    api.post("/v1/models/rollback").raise_for_status()
    wait_for("the alarm is over", lambda: api.get("/health").json()["status"] == "pass")


def test_worker_starts_with_the_previous_champion_if_the_champion_is_damaged(
    api: httpx.Client, stack: Stack, registered: Registered
) -> None:
    first, second = (registered.bundles[version].id for version in ("1", "2"))
    for version in ("1", "2"):
        _promote(api, version)
    _served(api, second)
    stack.worker.stop()
    registered.damage("2")
    wait_for("it says goodbye", lambda: not api.get("/health").json()["workers"])
    stack.start_worker()
    _served(api, first)
    wait_for("it says why", lambda: api.get("/health").json()["warnings"])
    assert api.post("/predict", json={"description": "x"}).json()["result"]["bundle"] == first

    shutil.rmtree(registered.cache / second, ignore_errors=True)
    api.post("/v1/models/rollback").raise_for_status()
    wait_for("what serves is the champion again", lambda: api.get("/health").json()["status"] == "pass")


def test_workers_serve_without_the_registry(api: httpx.Client, stack: Stack, registered: Registered) -> None:
    stack.process("courier").stop()
    stack.start_courier({"CATALOG_MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"})

    def promoted() -> httpx.Response | None:
        answer = api.post("/v1/models/2/promote", json={"force": True})
        return None if answer.json()["type"].endswith("no-courier") else answer

    refused = wait_for("the courier has started and answers", promoted, 120)
    assert (refused.status_code, refused.json()["type"].split(":")[-1]) == (503, "registry-unavailable")
    assert refused.headers["Retry-After"]
    stack.worker.stop()
    wait_for("it says goodbye", lambda: not api.get("/health").json()["workers"])
    stack.start_worker()
    _served(api, registered.bundles["1"].id)
