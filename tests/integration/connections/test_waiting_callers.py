"""Many callers that wait at one API process: Redis tells it once, and each of them gets its answer."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest
from redis import Redis

from shared.ledger import Guess, Ledger, Outcome, QueuedItem
from tests.figures import Figures
from tests.integration.connections.conftest import Service, running
from tests.waiting import wait_for

CALLERS = 300
"""Three times as many as the connections that redis-py allows by default."""
THREADS = 100
"""More than an API process has, each of which holds at most one connection to Redis."""
LANE = "interactive"

Caller = Callable[[httpx.AsyncClient, str], Awaitable[str]]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    many = {
        "CATALOG_MAX_HELD_REQUESTS": "1000",
        "CATALOG_MAX_CONNECTIONS_PER_ADDRESS": "1000",
        "CATALOG_PREDICT_TIMEOUT_S": "200",
    }
    with running(tmp_path_factory.mktemp("service"), many) as service:
        yield service


@pytest.fixture
def job(http: httpx.Client) -> str:
    """The address of a job that no worker takes."""
    address: str = http.post("/v1/jobs", json={"items": [{"title": "Lampe"}]}).raise_for_status().json()["url"]
    return address


async def waits(http: httpx.AsyncClient, job: str) -> str:
    """Ask until the job has ended, as clients do; the last state."""
    state = "queued"
    while state in ("queued", "running"):
        state = (await http.get(job, params={"wait": 30})).raise_for_status().json()["state"]
    return state


async def follows(http: httpx.AsyncClient, job: str) -> str:
    """Follow the job's events; the state that the last one shows."""
    async with http.stream("GET", f"{job}/events") as stream:
        lines = [line async for line in stream.raise_for_status().aiter_lines()]
    kinds = [line for line in lines if line.startswith("event: ")]
    assert (kinds[0], kinds[-1], kinds.count("event: end")) == ("event: progress", "event: end", 1)
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return str(json.loads(data[-1])["state"])


async def predicts(http: httpx.AsyncClient, _: str) -> str:
    """Classify an item; the state of its job, which no answer shows otherwise."""
    answer = (await http.post("/predict", json={"description": "Lampe"})).raise_for_status().json()
    return str((await http.get(f"/v1/jobs/{answer['job_id']}")).raise_for_status().json()["state"])


@asynccontextmanager
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=None)
    options: dict[str, Any] = {"headers": service.authorization, "timeout": 200, "limits": limits}
    async with httpx.AsyncClient(base_url=service.server.url, **options) as http:
        yield http


@contextmanager
def callers(service: Service, job: str, *kinds: Caller, count: int = CALLERS) -> Iterator[Future[list[str]]]:
    """This many callers of these kinds, who wait when the block begins; their answers, once all are there."""

    async def ask() -> list[str]:
        async with client(service) as http:
            return await asyncio.gather(*(kinds[number % len(kinds)](http, job) for number in range(count)))

    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(asyncio.run, ask())
        wait_for("all of them wait", lambda: answers.done() or waiting(service) >= count)
        yield answers


def waiting(service: Service) -> float:
    with httpx.Client(base_url=service.server.url, headers=service.authorization) as http:
        return Figures(http.get("/metrics").raise_for_status().text)("catalog_waiting_callers")


def work(ledger: Ledger, chunks: int = 1) -> None:
    """Do what a worker does, for this number of chunks."""
    for _ in range(chunks):
        lease = wait_for("there is a chunk", lambda: ledger.lease(LANE))
        ledger.commit(lease, "v1", [_outcome(item) for item in lease.items])


def _outcome(item: QueuedItem) -> Outcome:
    guess = Guess("10", 0.9)
    return Outcome(item.index, item.id, guesses=(guess,), text=guess, weights=(1.0, 0.0))


def subscriptions(redis: Redis) -> list[Any]:
    return redis.client_list(_type="pubsub")


def test_hundreds_of_callers_at_one_process_get_their_answers_over_one_connection(service: Service, job: str) -> None:
    with callers(service, job, waits, follows, predicts) as answers:
        assert not answers.done()
        assert len(subscriptions(service.redis)) == 1
        assert service.redis.info("clients")["blocked_clients"] == 0
        connections = [client for client in service.redis.client_list() if client["db"] == "0"]  # the broker's is 1
        assert len(connections) < THREADS
        work(Ledger(service.redis), chunks=1 + CALLERS // 3)
        assert answers.result(timeout=200) == ["completed"] * CALLERS
    wait_for("nobody is counted any more", lambda: waiting(service) == 0)


def test_a_broken_subscription_loses_nobodys_answer(service: Service, job: str) -> None:
    with callers(service, job, waits, follows, count=40) as answers:
        before = {client["id"] for client in subscriptions(service.redis)}
        service.redis.client_kill_filter(_type="pubsub")
        work(Ledger(service.redis))
        assert answers.result(timeout=200) == ["completed"] * 40
        wait_for("it stands again", lambda: {client["id"] for client in subscriptions(service.redis)} - before)
    wait_for("it is told so", lambda: notices_up(service) == 1)


def notices_up(service: Service) -> float:
    with httpx.Client(base_url=service.server.url, headers=service.authorization) as http:
        return Figures(http.get("/metrics").raise_for_status().text)("catalog_notices_up")
