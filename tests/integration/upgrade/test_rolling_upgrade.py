"""Processes of the last release beside those of this one, on one state: as while a service is upgraded, or back.

`releases/` holds the package of the last release, made as docs/ci.md says. It brings no model: it serves the starter as
it was in that release, and this one serves today's.
"""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from shared.model.bundle import Bundle
from shared.settings import ROOT
from shared.tenants.api_keys import KeyStore, Scope
from stack.processes import free_port
from stack.receiver import WebhookReceiver
from stack.services import Ports, Stack
from tests.bundles import of_format_3
from tests.pictures import clouds, in_base64
from tests.waiting import finished, wait_for

RELEASES = Path(__file__).parent / "releases"
ITEMS = 30

pytestmark = pytest.mark.timeout(300)

Installation = tuple[Stack, Stack]
"""Processes of this release, which has Redis, and of the last one."""


@pytest.fixture(scope="session")
def last_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last release's package, unpacked as an installer does."""
    (package,) = RELEASES.glob("*.whl")
    folder = tmp_path_factory.mktemp("last-release")
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def installation(last_release: Path, tmp_path: Path) -> Iterator[Installation]:
    redis = free_port()
    this = Stack(
        ROOT, tmp_path / "this", Ports(redis, free_port(), None), {"CATALOG_MODEL": str(ROOT / "models/starter")}
    )
    settings = {name: this.env[name] for name in ("CATALOG_BLOB_URL", "CATALOG_LABELS_URL", "CATALOG_WEBHOOK_SECRETS")}
    older = of_format_3(Bundle.load(ROOT / "models/starter"), tmp_path / "older")
    settings["CATALOG_MODEL"] = str(older.folder)
    last = Stack(last_release, tmp_path / "last", Ports(redis, free_port(), None), settings)
    for stack in (this, last):
        stack.state.mkdir(exist_ok=True)
    try:
        this.start_redis()
        yield this, last
    finally:
        last.close()
        this.close()


def body(webhook: str | None = None, unreachable: bool = False) -> dict[str, Any]:
    """Texts and pictures."""
    items: list[dict[str, Any]] = [{"id": f"item {n}", "title": f"Piscine gonflable {n}"} for n in range(ITEMS)]
    items[1]["image"] = {"base64": in_base64(clouds(1, 100))}
    if unreachable:
        items[2] = {"id": "item 2", "image": {"url": "http://127.0.0.1:1/none.jpg"}}
    return {"items": items} | ({"webhook_url": webhook} if webhook else {})


def results(api: httpx.Client, job: str, cursor: str | None = None, limit: int = 1000) -> dict[str, Any]:
    params = {"limit": limit} | ({"cursor": cursor} if cursor else {})
    page: dict[str, Any] = api.get(f"/v1/jobs/{job}/results", params=params).raise_for_status().json()
    return page


def client(stack: Stack) -> httpx.Client:
    return httpx.Client(base_url=stack.url, timeout=60)


@pytest.mark.parametrize(
    "arrange",
    [
        pytest.param(lambda this, last: (last, this), id="the API is the last release's"),
        pytest.param(lambda this, last: (this, last), id="all but the API is the last release's"),
    ],
)
def test_processes_of_two_releases_work_together(
    installation: Installation, arrange: Callable[[Stack, Stack], tuple[Stack, Stack]]
) -> None:
    front, back = arrange(*installation)
    back.start_worker()
    back.start_housekeeper()
    back.start_courier()
    front.start_api()
    with client(front) as api, WebhookReceiver(front.webhook_secret, installation[0].webhook_secret) as receiver:
        wait_for("a worker serves", front.serves)
        answer = api.post("/v1/jobs", json=body(receiver.url, unreachable=True), headers={"Idempotency-Key": "one"})
        job = answer.raise_for_status().json()["id"]
        ended = finished(api, f"/v1/jobs/{job}")
        assert (ended["state"], ended["counts"]["succeeded"], ended["counts"]["failed"]) == ("partial", ITEMS - 1, 1)
        assert receiver.received.get(timeout=30)["type"] == "job.partial"
        assert len(results(api, job)["results"]) == ITEMS

        retried = api.post(f"/v1/jobs/{job}/retry").raise_for_status().json()["id"]
        assert finished(api, f"/v1/jobs/{retried}")["counts"]["failed"] == 1

        again = api.post("/v1/jobs", json=body(receiver.url, unreachable=True), headers={"Idempotency-Key": "one"})
        assert (again.status_code, again.json()["id"]) == (202, job)
        assert api.post("/predict", json={"description": "Piscine gonflable"}).raise_for_status().json()["category_id"]


def test_keys_of_two_releases_open_both(redis: Redis, redis_port: int, last_release: Path) -> None:
    env = {**os.environ, "CATALOG_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0"}

    def of_the_last_release(*arguments: str) -> str:
        command = [sys.executable, "-m", "api.access.keys_cli", *arguments]
        return subprocess.run(command, cwd=last_release, env=env, capture_output=True, text=True, check=True).stdout

    keys = KeyStore(redis)
    older = keys.find(of_the_last_release("create", "--tenant", "shop", "--scope", "classify").strip())
    assert older is not None
    assert older.expires_at is None
    newer, _ = keys.create("shop", [Scope.CLASSIFY], expires_at=keys.now() + timedelta(days=90))
    listed = of_the_last_release("list").splitlines()
    assert [line.split()[0] for line in listed] == [older.id, newer.id]


def test_work_in_progress_survives_the_upgrade_and_the_way_back(installation: Installation) -> None:
    this, last = installation
    last.start_worker()
    last.start_api()
    with client(last) as api:
        wait_for("a worker serves", last.serves)
        done = api.post("/v1/jobs", json=body()).raise_for_status().json()["id"]
        finished(api, f"/v1/jobs/{done}")
        first = results(api, done, limit=10)
        last.worker.stop()
        waiting = api.post("/v1/jobs", json=body(), headers={"Idempotency-Key": "waits"}).json()["id"]
        cancelled = api.post("/v1/jobs", json=body()).json()["id"]
        api.post(f"/v1/jobs/{cancelled}/cancel").raise_for_status()
    last.process("api").stop()

    this.start_worker()
    this.start_housekeeper()
    this.start_api()
    with client(this) as api:
        rest = results(api, done, cursor=first["next_cursor"])
        read = [result["id"] for page in (first, rest) for result in page["results"]]
        assert sorted(read) == sorted(f"item {n}" for n in range(ITEMS))
        assert finished(api, f"/v1/jobs/{waiting}")["counts"]["succeeded"] == ITEMS
        assert api.post("/v1/jobs", json=body(), headers={"Idempotency-Key": "waits"}).json()["id"] == waiting
        assert finished(api, f"/v1/jobs/{cancelled}")["state"] == "cancelled"
        later = api.post("/v1/jobs", json=body()).raise_for_status().json()["id"]
        finished(api, f"/v1/jobs/{later}")
        listed = api.get("/v1/jobs").raise_for_status().json()["jobs"]
        assert [job["id"] for job in listed] == [later], "the last release lists no jobs"

    last.start_api()  # back again: the last release reads format 1, too
    with client(last) as api:
        for job in (done, waiting, later):
            assert finished(api, f"/v1/jobs/{job}")["counts"]["succeeded"] == ITEMS
            assert len(results(api, job)["results"]) == ITEMS
