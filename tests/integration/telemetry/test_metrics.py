"""Figures for Prometheus: of the queue, the engine, requests and webhooks, while work is done and while it waits."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from redis import Redis

from shared.ledger import Ledger, Outbox, QueueFigures
from shared.settings import Settings
from shared.tenants.api_keys import KeyStore, Scope
from stack.processes import Process, free_port
from stack.receiver import WebhookReceiver
from stack.redis_server import server_command
from stack.redis_server import wait_for as wait_for_redis
from stack.services import Stack
from tests.figures import Figures
from tests.http import client_of, local_client
from tests.jobs import LANE, leased, opened, outcomes_of
from tests.pictures import in_base64, jpeg
from tests.redis_state import age_job
from tests.waiting import finished, wait_for


@pytest.fixture
def front(redis_port: int, redis: Redis) -> Iterator[TestClient]:
    """An API without a worker."""
    url = f"redis://127.0.0.1:{redis_port}"
    with local_client(Settings(redis_url=f"{url}/0", broker_url=f"{url}/1", predict_timeout_s=1)) as client:
        yield client


def figures(client: TestClient) -> Figures:
    return Figures(client.get("/metrics").raise_for_status().text)


# The queue


def test_items_are_told_from_their_acceptance_to_their_outcome(front: TestClient, ledger: Ledger) -> None:
    opened(ledger, [3, 2], invalid=1)
    waits = figures(front)
    assert waits("catalog_queue_items", lane=LANE) == 5
    assert waits("catalog_queue_ready_chunks", lane=LANE) == 2
    assert waits("catalog_queue_oldest_age_seconds", lane=LANE) > 0
    assert waits("catalog_items_accepted_total", lane=LANE) == 5
    assert list(waits.each("catalog_queue_items", lane="training")) == [0]

    lease = leased(ledger)
    works = figures(front)
    assert works("catalog_queue_items", lane=LANE) == 5
    assert works("catalog_queue_in_flight_items", lane=LANE) == len(lease.items) == 3
    assert works("catalog_queue_leased_chunks", lane=LANE) == works("catalog_queue_ready_chunks", lane=LANE) == 1

    ledger.commit(lease, "v1", outcomes_of(lease, failing=1))
    rest = leased(ledger)
    nobody = figures(front)
    assert nobody("catalog_queue_items", lane=LANE) == nobody("catalog_queue_in_flight_items", lane=LANE) == 2
    assert nobody("catalog_queue_oldest_age_seconds", lane=LANE) == 0, "each chunk is in somebody's hands"

    ledger.commit(rest, "v1", outcomes_of(rest))
    done = figures(front)
    assert done("catalog_queue_items") == done("catalog_queue_in_flight_items") == 0
    assert done("catalog_jobs_accepted_total", lane=LANE) == 1
    assert done("catalog_jobs_total", lane=LANE, state="partial") == done("catalog_jobs_total") == 1


def test_the_oldest_age_is_that_of_the_job_that_has_waited_longest(ledger: Ledger, redis: Redis) -> None:
    jobs = [opened(ledger, [1]) for _ in range(3)]
    for job, ago in zip(jobs, (50, 500, 5), strict=True):
        age_job(redis, job, ago)
    read = QueueFigures(redis, (LANE,)).read
    assert read().lanes[LANE].oldest_age_s == pytest.approx(500, abs=5)
    ledger.cancel(jobs[1])
    assert read().lanes[LANE].oldest_age_s == pytest.approx(50, abs=5)


def test_the_chunks_of_a_job_that_has_ended_are_not_in_flight(ledger: Ledger, redis: Redis) -> None:
    job = opened(ledger, [2])
    leased(ledger)
    ledger.cancel(job)
    lane = QueueFigures(redis, (LANE,)).read().lanes[LANE]
    assert (lane.items, lane.in_flight, lane.leased) == (0, 0, 0)


def test_outboxes_tell_how_many_wait_and_for_how_long(front: TestClient, ledger: Ledger, redis: Redis) -> None:
    ledger.cancel(opened(ledger, [1], webhook_url="https://shop.example/hook"))
    Outbox(redis, "webhook").postpone("another", -100)
    told = figures(front)
    assert told("catalog_outbox_messages", outbox="webhook") == 2
    assert told("catalog_outbox_oldest_due_seconds", outbox="webhook") == pytest.approx(100, abs=5)
    assert told("catalog_outbox_messages", outbox="tracking") == 1


def test_a_job_that_nobody_takes_has_a_wake_up_in_the_broker(front: TestClient, redis_port: int) -> None:
    with Redis(port=redis_port, db=1) as broker:
        broker.flushdb()
        front.post("/v1/jobs", json={"items": [{"title": "lampe"}]}).raise_for_status()
        assert figures(front)("catalog_wakeups", queue="interactive") == 1
        broker.flushdb()
    assert list(figures(front).each("catalog_workers")) == [0]


# Requests


def test_requests_are_counted_by_route_and_not_by_what_a_client_makes_up(front: TestClient) -> None:
    job = front.post("/v1/jobs", json={"items": [{"title": "lampe"}]}).json()["id"]
    front.get(f"/v1/jobs/{job}")
    front.get("/v1/jobs/nonsense")
    front.get("/made/up")
    front.request("MADE-UP", "/v1/jobs")
    told = figures(front)
    requests, route = "catalog_http_requests_total", "/v1/jobs/{job_id}"
    assert told(requests, method="POST", route="/v1/jobs", status="202") == 1
    assert told(requests, method="GET", route=route, status="200") == 1
    assert told(requests, method="GET", route=route, status="404") == 1
    assert told(requests, route="none", status="404") == told(requests, method="other", status="405") == 1
    assert list(told.each(requests, method="GET", route=route, status="500")) == [0]
    assert told("catalog_http_request_duration_seconds_count", route=route) == 2
    assert told("catalog_http_requests_in_flight") == 1, "the scrape's own"


def test_an_observer_is_told_that_redis_is_away(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, port = tmp_path_factory.mktemp("redis-that-goes"), free_port()
    server = Process("redis", server_command(port, folder), folder / "redis.log", {}, folder)
    wait_for_redis(server, port)
    url = f"redis://127.0.0.1:{port}"
    try:
        with local_client(Settings(redis_url=f"{url}/0", broker_url=f"{url}/1")) as client, Redis(port=port) as redis:
            _, key = KeyStore(redis).create("operations", [Scope.OBSERVE])
            _, unused = KeyStore(redis).create("operations", [Scope.OBSERVE])
            observer = client_of(client.app, key=key)  # type: ignore[arg-type]
            assert figures(observer)("catalog_redis_up") == 1
            server.kill()
            away = figures(observer)
            assert list(away.each("catalog_redis_up")) == [0]
            assert away("catalog_http_requests_total", route="/metrics", status="200") == 1
            assert "catalog_queue_items" not in away.names
            assert client_of(client.app, key=unused).get("/metrics").status_code == 503  # type: ignore[arg-type]
    finally:
        server.stop()


# The whole way


@dataclass(frozen=True)
class Scrapes:
    """The metrics of a process before and after a job."""

    before: Figures
    after: Figures

    def rise(self, name: str, **labels: str) -> float:
        return self.after(name, **labels) - self.before(name, **labels)


@dataclass(frozen=True)
class MeasuredJob:
    """A job of 20 texts, 4 pictures and an unreadable one, with a webhook."""

    items: list[dict[str, Any]]
    worker: Scrapes
    front: Scrapes
    courier: Scrapes


@pytest.fixture(scope="module")
def measured(stack: Stack) -> MeasuredJob:
    items: list[dict[str, Any]] = [{"title": f"lampe à poser en métal {number}"} for number in range(20)]
    items += [{"image": {"base64": in_base64(jpeg("teal", (70 + number, 50)))}} for number in range(4)]
    items += [{"image": {"base64": in_base64(b"no picture at all")}}]
    urls = stack.process_url("worker"), stack.url, stack.process_url("courier")
    before = [Figures.scraped(url) for url in urls]
    with WebhookReceiver(stack.webhook_secret) as receiver, httpx.Client(base_url=stack.url, timeout=60) as api:
        sent = api.post("/v1/jobs", json={"items": items, "webhook_url": receiver.url}).raise_for_status().json()
        assert finished(api, sent["url"])["state"] == "partial"
        receiver.received.get(timeout=30)
    after = [Figures.scraped(url) for url in urls]
    return MeasuredJob(items, *(Scrapes(*pair) for pair in zip(before, after, strict=True)))


def test_worker_metrics_of_a_job(measured: MeasuredJob) -> None:
    rise, after = measured.worker.rise, measured.worker.after
    assert rise("catalog_items_total", lane="bulk", status="succeeded") == 24
    assert rise("catalog_items_total", lane="bulk", status="failed") == 1
    assert rise("catalog_item_errors_total", error="image_unreadable") == 1
    assert rise("catalog_chunks_total", end="committed") == rise("catalog_chunk_seconds_count") > 0
    assert after("catalog_model_info") == 1


def test_engine_metrics_of_a_job(measured: MeasuredJob) -> None:
    rise, after = measured.worker.rise, measured.worker.after
    assert rise("catalog_engine_batch_size_sum", network="text") == 20
    assert rise("catalog_engine_batch_size_sum", network="picture") == 4
    assert rise("catalog_engine_stage_seconds_count", stage="wait", network="picture") == 4
    assert rise("catalog_engine_stage_seconds_count", stage="fetch") == 5
    assert after("catalog_engine_waiting_inputs") == 0
    assert after("catalog_engine_pictures_per_second") > 0


def test_api_metrics_of_a_job(measured: MeasuredJob, api: httpx.Client) -> None:
    rise, after = measured.front.rise, measured.front.after
    assert after("catalog_queue_items") == after("catalog_queue_in_flight_items") == 0
    assert rise("catalog_items_accepted_total") == 25
    assert rise("catalog_jobs_total", state="partial") == 1
    assert after("catalog_workers", bundle=api.get("/health").json()["bundles"][0]) == 1


def test_courier_metrics_of_a_webhook(measured: MeasuredJob) -> None:
    assert measured.courier.rise("catalog_webhook_attempts_total", outcome="delivered") == 1
    assert measured.courier.after("catalog_webhook_duration_seconds_count") > 0


def test_cache_metrics_of_a_job_and_of_its_repetition(measured: MeasuredJob, stack: Stack, api: httpx.Client) -> None:
    assert measured.worker.rise("catalog_cache_misses_total", cache="predictions") == 25
    assert measured.worker.rise("catalog_cache_misses_total", cache="features") == 5
    before = Figures.scraped(stack.process_url("worker"))
    again = api.post("/v1/jobs", json={"items": measured.items[:20]}).raise_for_status().json()
    finished(api, again["url"])
    repetition = Scrapes(before, Figures.scraped(stack.process_url("worker")))
    assert repetition.rise("catalog_cache_hits_total", cache="predictions") == 20


def test_items_are_in_flight_while_a_worker_waits_for_their_pictures(stack: Stack, api: httpx.Client) -> None:
    def scraped() -> Figures | None:
        told = Figures.scraped(stack.url)
        return told if told("catalog_queue_in_flight_items", lane="bulk") else None

    with socket.create_server(("127.0.0.1", 0)) as silent:  # it never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/lampe.jpg"
        items = [{"title": str(number), "image": {"url": url}} for number in range(20)]
        sent = api.post("/v1/jobs", json={"items": items}).raise_for_status().json()
        told = wait_for("a worker has them", scraped)
        api.post(f"{sent['url']}/cancel").raise_for_status()
    assert told("catalog_queue_in_flight_items", lane="bulk") in (16, 20), "a chunk holds 16 of them"
    assert told("catalog_queue_items", lane="bulk") == 20


def test_every_process_says_that_it_lives_and_is_ready(stack: Stack) -> None:
    for name in ("worker", "housekeeper", "courier"):
        assert httpx.get(f"{stack.process_url(name)}/live").json() == {"status": "pass"}
        assert httpx.get(f"{stack.process_url(name)}/ready").json() == {"status": "pass"}
    turns = Figures.scraped(stack.process_url("housekeeper"))("catalog_housekeeper_turns_total")
    wait_for(
        "the housekeeper's next turn",
        lambda: Figures.scraped(stack.process_url("housekeeper"))("catalog_housekeeper_turns_total") > turns,
    )
