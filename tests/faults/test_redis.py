"""Redis is killed, away for a minute, or silent: no accepted job is lost, and every process comes back by itself."""

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis
from redis import TimeoutError as RedisTimeoutError

from shared.ledger import Ledger, QueuedItem
from shared.settings import Settings
from shared.stores.opening import open_redis
from stack import redis_server
from stack.processes import Process, free_port
from stack.receiver import WebhookReceiver
from stack.services import Stack
from tests.faults.conftest import Figure, Service, client
from tests.faults.work import frozen
from tests.jobs import LANE, new_job
from tests.redis_state import lease_count
from tests.waiting import finished, wait_for

Server = Callable[..., tuple[Process, int]]

PARTS = ("worker", "housekeeper", "courier", "api")
JOBS, ITEMS, FEW = 20, 1000, 10
MINUTE_S, SILENCE_S = 60, 12
PATIENCE_S = Settings.model_fields["redis_timeout_s"].default + 3


def test_no_accepted_job_is_lost_when_redis_is_killed(service: Service, figure: Figure) -> None:
    stack = service()
    pids = _pids(stack)
    with client(stack) as api, WebhookReceiver(stack.webhook_secret) as receiver:

        def submit(number: int) -> dict[str, Any]:
            body = {"items": _texts(FEW if number % 4 == 0 else ITEMS), "webhook_url": receiver.url}
            answer = api.post("/v1/jobs", json=body)
            assert answer.status_code == 202
            accepted: dict[str, Any] = answer.json()
            return accepted

        with ThreadPoolExecutor(JOBS) as pool:
            jobs = list(pool.map(submit, range(JOBS)))
        stack.process("redis").kill()
        killed = time.monotonic()
        stack.start_redis()
        restarted = time.monotonic()
        with Redis(port=stack.ports.redis) as redis:
            left = _waiting(redis)
            assert left
            wait_for("a new result", lambda: _waiting(redis) < left)
            figure("Redis killed: first new result after its restart", time.monotonic() - restarted, "s")
        for job in jobs:
            assert finished(api, job["url"], timeout_s=120)["state"] == "completed"
            _assert_each_item_once(api, job)
        figure("Redis killed: 20 accepted jobs done after its restart", time.monotonic() - restarted, "s")
        figure("Redis killed: from its death until it answers", restarted - killed, "s")
        told = {receiver.received.get(timeout=60)["data"]["id"] for _ in jobs}
        assert told == {job["id"] for job in jobs}
    assert _pids(stack) == pids


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Starts a Redis with these options, and returns it and its port."""
    with ExitStack() as running:

        def start(**options: str) -> tuple[Process, int]:
            port = free_port()
            given = chain.from_iterable((f"--{name}", value) for name, value in options.items())
            command = [*redis_server.server_command(port, tmp_path), *given]
            process = Process("redis", command, tmp_path / "redis.log", os.environ, tmp_path)
            running.callback(process.kill)
            redis_server.wait_for(process, port)
            return process, port

        yield start


def test_redis_without_an_append_only_file_accepts_jobs_unconfirmed(server: Server) -> None:
    for appends in (True, False):
        _, port = server(appendonly="yes" if appends else "no")
        with Redis(port=port) as redis:
            ledger = Ledger(redis)
            assert ledger.open(_staged(ledger), new_job(1, 1), on_disk=True) is appends
            assert ledger.pending(LANE) == 1


def test_ledger_step_with_a_lost_reply_is_not_repeated(server: Server) -> None:
    """Redis takes it when it is awake again, although the client has given up."""
    process, port = server()
    redis = open_redis(Settings(redis_url=f"redis://127.0.0.1:{port}/0", redis_timeout_s=0.5))
    with redis:
        ledger = Ledger(redis)
        assert ledger.lease(LANE) is None  # Redis knows the script from now on
        for _ in range(2):
            ledger.open(_staged(ledger), new_job(1, 1))
        with frozen(process), pytest.raises(RedisTimeoutError):
            ledger.lease(LANE)
        wait_for("the step is taken", lambda: lease_count(redis), timeout_s=10)
        assert ledger.lease(LANE) is not None
        assert ledger.lease(LANE) is None


def _staged(ledger: Ledger) -> str:
    """One item of a job to be."""
    job = ledger.new_id()
    ledger.stage(job, 0, [QueuedItem(0, "sku-1", "Lampe")])
    return job


def test_minute_without_redis_fails_requests_at_once_and_recovers(service: Service, figure: Figure) -> None:
    stack = service()
    with client(stack) as api:
        job, pids = _long_job(api), _pids(stack)
        stack.process("redis").kill()
        slowest = _slowest_while_away(stack, job, for_s=MINUTE_S)
        assert slowest < 1
        figure("Redis dead: slowest answer", slowest, "s")
        stack.start_redis()
        _everything_goes_on(stack, api, job, figure, "Redis dead for a minute")
    assert _pids(stack) == pids


def test_silent_redis_fails_requests_soon_and_recovers(service: Service, figure: Figure) -> None:
    stack = service()
    with client(stack) as api:
        job, pids = _long_job(api), _pids(stack)
        with frozen(stack.process("redis")):
            slowest = _slowest_while_away(stack, job, for_s=SILENCE_S)
        figure("Redis silent: slowest answer", slowest, "s")
        _everything_goes_on(stack, api, job, figure, "Redis silent for 12 s")
    assert slowest < PATIENCE_S
    assert _pids(stack) == pids


def test_a_silent_redis_leaves_the_api_alive_for_its_probes(service: Service, figure: Figure) -> None:
    """More callers wait for an answer than there are threads to wait in."""
    stack = service()
    with client(stack) as api, ThreadPoolExecutor(60) as pool:
        job = _long_job(api)
        with frozen(stack.process("redis")):
            waiting = [pool.submit(_timed, stack, lambda away: away.get(job["url"])) for _ in range(60)]
            slowest = 0.0
            while not all(answer.done() for answer in waiting):
                status, took = _timed(stack, lambda away: away.get("/health/live"))
                assert status == 200
                slowest = max(slowest, took)
            assert {answer.result()[0] for answer in waiting} == {503}
        assert slowest < 1
        figure("Redis silent, 60 callers waiting: slowest /health/live", slowest, "s")


def _texts(count: int) -> list[dict[str, str]]:
    return [{"id": f"sku-{i}", "title": f"Piscine gonflable ronde {i}"} for i in range(count)]


def _long_job(api: httpx.Client) -> dict[str, Any]:
    """In the middle of being classified."""
    job: dict[str, Any] = api.post("/v1/jobs", json={"items": _texts(20 * ITEMS)}).raise_for_status().json()
    wait_for("the first results", lambda: api.get(job["url"]).json()["counts"]["succeeded"])
    return job


def _pids(stack: Stack) -> dict[str, int]:
    """Process ids of the running processes; a restarted process has another one."""
    return {part: stack.process(part).pid for part in PARTS if stack.process(part).running}


def _waiting(redis: Redis) -> int:
    return sum(Ledger(redis).pending(lane) for lane in ("bulk", "interactive"))


def _slowest_while_away(stack: Stack, job: dict[str, Any], for_s: float) -> float:
    """Ask everything again and again; the seconds of the slowest answer."""
    requests: list[Callable[[httpx.Client], httpx.Response]] = [
        lambda api: api.get(job["url"]),
        lambda api: api.get(job["results_url"]),
        lambda api: api.post("/v1/jobs", json={"items": _texts(1)}),
        lambda api: api.post("/v1/jobs", json={"items": _texts(1)}, headers={"Idempotency-Key": "away"}),
        lambda api: api.post("/predict", json={"description": "Piscine gonflable"}),
        lambda api: api.post(f"{job['url']}/cancel"),
        lambda api: api.get("/health/ready"),
    ]
    slowest, until = 0.0, time.monotonic() + for_s
    with client(stack) as api, ThreadPoolExecutor(len(requests)) as pool:
        while time.monotonic() < until:
            assert api.get("/health/live").status_code == 200
            for name in ("worker", "housekeeper", "courier"):
                assert httpx.get(f"{stack.process_url(name)}/live").status_code == 200, "it must not be restarted"
            asked = time.monotonic()
            for status, took in pool.map(lambda request: _timed(stack, request), requests):
                assert status == 503
                slowest = max(slowest, took)
            time.sleep(max(0.0, 0.5 - (time.monotonic() - asked)))  # twice a second is often enough
    return slowest


def _timed(stack: Stack, request: Callable[[httpx.Client], httpx.Response]) -> tuple[int, float]:
    """Status and seconds; an error must be a problem document that says when to come again."""
    with client(stack) as api:
        began = time.monotonic()
        answer = request(api)
        took = time.monotonic() - began
    if answer.is_error:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["status"] == answer.status_code
    return answer.status_code, took


def _everything_goes_on(stack: Stack, api: httpx.Client, job: dict[str, Any], figure: Figure, what: str) -> None:
    """The job that was there before, and a new one."""
    back = time.monotonic()
    wait_for("the API is ready", lambda: api.get("/health/ready").is_success)
    figure(f"{what}: ready again after", time.monotonic() - back, "s")
    new = api.post("/v1/jobs", json={"items": _texts(1)}).raise_for_status().json()
    assert finished(api, new["url"])["state"] == "completed"
    figure(f"{what}: a new job is done after", time.monotonic() - back, "s")
    assert finished(api, job["url"])["state"] == "completed"
    figure(f"{what}: the job that was interrupted is done after", time.monotonic() - back, "s")
    _assert_each_item_once(api, job)


def _assert_each_item_once(api: httpx.Client, job: dict[str, Any]) -> None:
    results = api.get(job["results_url"], params={"format": "ndjson"}).iter_lines()
    assert sorted(json.loads(line)["index"] for line in results) == list(range(job["counts"]["total"]))
