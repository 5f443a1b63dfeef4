"""Requests that are under way when their key is revoked, over real HTTP. No worker runs, so no job ends by itself."""

import json
import socket
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest
from redis import Redis

from shared.ledger import Ledger, Outcome
from shared.settings import ROOT
from shared.tenants.api_keys import KeyStore, Scope
from stack.services import Stack, pick_ports
from tests.figures import Figures
from tests.jobs import leased, opened
from tests.redis_state import end_key
from tests.waiting import wait_for

ITEM = {"items": [{"title": "Lampe"}]}
Waiting = Callable[[], float]
LARGE = 10_000
"""Characters of a message; 3,072 of them are more than the sockets between server and client hold."""


@dataclass(frozen=True)
class Holder:
    """The holder of a key."""

    api: httpx.Client
    keys: KeyStore
    key_id: str
    text: str

    def revoke(self) -> None:
        self.keys.revoke(self.key_id)

    def job(self) -> str:
        """The address of a job that waits."""
        address: str = self.api.post("/v1/jobs", json=ITEM).raise_for_status().json()["url"]
        return address


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder, ports = tmp_path_factory.mktemp("stack"), pick_ports(mlflow=False, preferred=False)
    settings = {"CATALOG_PREDICT_TIMEOUT_S": "60", "CATALOG_LOG_LEVEL": "info"}
    with ExitStack() as running:
        stack = running.push(Stack(ROOT, folder, ports, settings))
        stack.start_redis()
        stack.start_api()
        yield stack


@pytest.fixture(scope="module")
def store(stack: Stack) -> Iterator[Redis]:
    with Redis(port=stack.ports.redis) as client:
        yield client


@pytest.fixture(scope="module")
def waiting(stack: Stack, store: Redis) -> Iterator[Waiting]:
    """How many callers wait, as the API counts them."""
    _, text = KeyStore(store).create("operator", [Scope.OBSERVE])
    with httpx.Client(base_url=stack.url, timeout=90, headers={"Authorization": f"Bearer {text}"}) as operator:
        yield lambda: Figures(operator.get("/metrics").raise_for_status().text)("catalog_waiting_callers")


@pytest.fixture
def holder(stack: Stack, store: Redis) -> Holder:
    return _holder(stack, store)


def test_stream_of_events_ends_when_its_key_is_revoked(stack: Stack, store: Redis, holder: Holder) -> None:
    other = _holder(stack, store)
    with (
        holder.api.stream("GET", f"{holder.job()}/events") as events,
        other.api.stream("GET", f"{(job := other.job())}/events") as others,
    ):
        lines = events.iter_lines()
        assert next(lines) == "event: progress"
        holder.revoke()
        assert "event: end" not in [*lines], "the job has not ended"
        other.api.post(f"{job}/cancel").raise_for_status()
        assert "event: end" in [*others.iter_lines()]
    assert holder.api.get("/v1/models").status_code == 401


@pytest.mark.parametrize("how", ["a long poll", "/predict"])
def test_wait_ends_when_its_key_is_revoked(waiting: Waiting, holder: Holder, how: str) -> None:
    job = holder.job()
    before = waiting()

    def request() -> httpx.Response:
        if how == "/predict":
            return holder.api.post("/predict", json={"description": "Lampe"})
        return holder.api.get(job, params={"wait": 30})

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(request)
        wait_for("the API waits", lambda: waiting() > before)
        holder.revoke()
        _assert_revoked(answer.result())


def test_wait_ends_with_its_key(store: Redis, waiting: Waiting, holder: Holder) -> None:
    job = holder.job()
    before = waiting()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(holder.api.get, job, params={"wait": 30})
        wait_for("the API waits", lambda: waiting() > before)
        end_key(store, holder.key_id)
        assert answer.result().status_code == 401
        assert "has ended" in answer.result().json()["detail"]


def test_download_breaks_off_when_its_key_is_revoked(stack: Stack, store: Redis, holder: Holder) -> None:
    job = _job_with_large_results(Ledger(store))
    with holder.api.stream("GET", f"/v1/jobs/{job}/results", params={"format": "ndjson"}) as download:
        assert download.status_code == 200
        pieces = download.iter_raw()
        next(pieces)
        holder.revoke()
        log = stack.process("api").log
        wait_for("the API has noticed", lambda: f"{holder.key_id} is revoked" in log.read_text())
        with pytest.raises(httpx.RemoteProtocolError):
            deque(pieces)


def test_upload_is_refused_when_its_key_is_revoked(stack: Stack, holder: Holder) -> None:
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nAuthorization: Bearer {holder.text}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", stack.ports.api), timeout=60) as connection:
        connection.sendall(head.encode() + b'{"items": [')
        holder.revoke()
        answer = connection.recv(64)
    assert answer.startswith(b"HTTP/1.1 401 ")


def _holder(stack: Stack, store: Redis) -> Holder:
    keys = KeyStore(store)
    key, text = keys.create("shop", [Scope.CLASSIFY])
    api = httpx.Client(base_url=stack.url, timeout=90, headers={"Authorization": f"Bearer {text}"})
    return Holder(api, keys, key.id, text)


def _assert_revoked(answer: httpx.Response) -> None:
    assert answer.status_code == 401
    assert "was revoked" in json.loads(answer.content)["detail"]


def _job_with_large_results(ledger: Ledger) -> str:
    job = opened(ledger, [256] * 12, tenant="shop")
    for _ in range(12):
        lease = leased(ledger)
        ledger.commit(lease, "", [Outcome.failed(item, "item_failed", "x" * LARGE) for item in lease.items])
    return job
