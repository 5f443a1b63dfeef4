"""`/v1/trainings` where no trainer is there: what is accepted, refused, and shown."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from redis import Redis

from shared.ledger import Ledger, StageState, Trainings
from shared.settings import Settings
from shared.tenants.api_keys import KeyStore, Scope
from tests.http import client_of, local_client
from tests.redis_state import set_durations


@pytest.fixture
def settings(redis_port: int, redis: Redis) -> Settings:
    url = f"redis://127.0.0.1:{redis_port}"
    sources = {"spring": "/made/up/spring", "texts": "s3://made-up/texts.csv"}
    return Settings(redis_url=f"{url}/0", broker_url=f"{url}/1", max_queued_trainings=2, training_sources=sources)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with local_client(settings) as client:
        yield client


def refused(answer: httpx.Response) -> tuple[int, str, list[str]]:
    document = answer.json()
    return (
        answer.status_code,
        document["type"].rpartition(":")[2],
        [error["pointer"] for error in document.get("errors", [])],
    )


def test_training_request_becomes_a_training(client: TestClient) -> None:
    body = {"params": {"train": {"text": {"epochs": 3}}}, "revision": "HEAD", "promote": "manual", "deadline_s": 60}
    answer = client.post("/v1/trainings", json=body)
    assert answer.status_code == 202
    made = answer.json()
    assert answer.headers["Location"] == made["url"] == f"/v1/trainings/{made['id']}"
    assert {name: made[name] for name in ("params", "revision", "promote", "state")} == {
        "params": body["params"], "revision": "HEAD", "promote": "manual", "state": "queued",
    }  # fmt: skip
    shown = client.get(made["url"]).json()
    assert shown["queue"] == {"position": 0}
    assert [stage["state"] for stage in shown["stages"]] == ["waiting"] * 5
    assert client.get(f"{made['url']}/log").text == "\n"
    assert client.get("/health").json()["waiting_trainings"] == 1
    assert client.get("/health").json()["trainers"] == []


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"params": {"train": {"text": {"epoch": 3}}}}, ["/params/train/text/epoch"]),
        ({"params": {"train": {"text": {"epochs": 0}}}}, ["/params/train/text/epochs"]),
        ({"params": {"train": 5, "preprocess": {"test": "much"}}}, ["/params/preprocess/test", "/params/train"]),
        ({"source": "autumn", "unlabelled": ["texts", "more"]}, ["/source", "/unlabelled/1"]),
        ({"promote": "always"}, ["/body/promote"]),
        ({"revision": "--upload-pack=x"}, ["/body/revision"]),
        ({"revision": "HEAD:params.yaml"}, ["/body/revision"]),
        ({"revision": "/etc/passwd"}, ["/body/revision"]),
        ({"epochs": 3}, ["/body/epochs"]),
    ],
)
def test_invalid_training_request_is_explained(client: TestClient, body: dict[str, Any], pointers: list[str]) -> None:
    assert refused(client.post("/v1/trainings", json=body)) == (422, "invalid-request", pointers)
    assert client.get("/v1/trainings").json() == {"trainings": []}


PLACES = (
    "/etc/passwd", "/proc/self/environ", "data", "../repository", "file:///etc/passwd", "local:///etc", "reference://",
    "memory://x", "simplecache::file:///etc/passwd", "zip://a::/made/up.zip", "http://169.254.169.254/latest/meta-data",
    "http://127.0.0.1:5001/", "https://shop.example/files", "s3://bucket/folder", "spring/..", "SPRING",
)  # fmt: skip
"""Paths and URLs, and what is nearly a name."""


@pytest.mark.parametrize("place", PLACES)
def test_a_request_holds_no_path_and_no_url(client: TestClient, place: str) -> None:
    for body, pointer in (
        ({"source": place}, "/source"),
        ({"unlabelled": [place]}, "/unlabelled/0"),
        ({"params": {"import_data": {"source": place}}}, "/params/import_data/source"),
        ({"params": {"import_data": {"source": None}}}, "/params/import_data/source"),
        ({"params": {"import_data": {"unlabelled": [place]}}}, "/params/import_data/unlabelled"),
        ({"params": {"preprocess": {"vgg16_weights": place}}}, "/params/preprocess/vgg16_weights"),
    ):
        assert refused(client.post("/v1/trainings", json=body)) == (422, "invalid-request", [pointer])
    assert client.get("/v1/trainings").json() == {"trainings": []}


def test_refusals_say_what_to_name_instead(client: TestClient) -> None:
    said = client.post("/v1/trainings", json={"source": "/data/rakuten"}).json()["detail"]
    assert "there is no source '/data/rakuten': name one of spring, texts." in said
    assert "CATALOG_TRAINING_SOURCES" in said
    said = client.post("/v1/trainings", json={"params": {"import_data": {"source": "spring"}}}).json()["detail"]
    assert "name one of the operator's sources as `source`" in said


def test_named_sources_are_listed_without_their_places_and_accepted(client: TestClient) -> None:
    listed = client.get("/v1/trainings/sources")
    assert listed.json() == {"sources": [{"name": "spring"}, {"name": "texts"}]}
    body = {"source": "spring", "unlabelled": ["texts"], "params": {"preprocess": {"vgg16_weights": "random"}}}
    made = client.post("/v1/trainings", json=body)
    assert made.status_code == 202
    shown = client.get(made.json()["url"])
    assert (shown.json()["source"], shown.json()["unlabelled"]) == ("spring", ["texts"])
    assert "made" not in listed.text + shown.text


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("text", "epochs", 10**30),
        ("text", "units", 10**9),
        ("text", "embedding", 10**9),
        ("text", "vocabulary", 10**12),
        ("text", "batch_size", 10**9),
        ("text", "learning_rate", 1e300),
        ("image", "units", 10**9),
        ("image", "epochs", 10**30),
        ("image", "mixup", 1e300),
    ],
)
def test_absurd_parameters_are_refused(client: TestClient, section: str, name: str, value: float) -> None:
    answer = client.post("/v1/trainings", json={"params": {"train": {section: {name: value}}}})
    assert refused(answer) == (422, "invalid-request", [f"/params/train/{section}/{name}"])


def test_training_deadlines_and_webhooks_have_the_rules_of_jobs(client: TestClient) -> None:
    assert refused(client.post("/v1/trainings", json={"deadline_s": 10**9}))[1] == "deadline-too-late"
    hook = {"webhook_url": "https://shop.example/hook"}
    assert refused(client.post("/v1/trainings", json=hook))[1] == "webhooks-not-configured"


def test_trainings_over_the_queue_limit_are_refused(client: TestClient) -> None:
    first, second = (client.post("/v1/trainings", json={}).json() for _ in range(2))
    full = client.post("/v1/trainings", json={})
    assert refused(full)[:2] == (503, "queue-full")
    assert full.headers["Retry-After"]
    assert client.get(second["url"]).json()["queue"] == {"position": 1}
    assert client.post(f"{first['url']}/cancel").json()["state"] == "cancelled"
    assert client.get(second["url"]).json()["queue"] == {"position": 0}
    assert client.post("/v1/trainings", json={}).status_code == 202


def test_idempotency_key_leads_to_the_same_training(client: TestClient, ledger: Ledger) -> None:
    headers = {"Idempotency-Key": "weekly"}
    first = client.post("/v1/trainings", json={"promote": "never"}, headers=headers)
    ledger.cancel(first.json()["id"])
    again = client.post("/v1/trainings", json={"promote": "never"}, headers=headers)
    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"
    other = client.post("/v1/trainings", json={"promote": "auto"}, headers=headers)
    assert refused(other)[:2] == (422, "idempotency-key-reused")
    assert len(client.get("/v1/trainings").json()["trainings"]) == 1


def test_trainings_are_not_jobs_and_jobs_are_not_trainings(client: TestClient) -> None:
    training = client.post("/v1/trainings", json={}).json()["id"]
    job = client.post("/v1/jobs", json={"items": [{"title": "Livre"}]}).json()["id"]
    for path in ("", "/results", "/events", "/deliveries"):
        assert client.get(f"/v1/jobs/{training}{path}").status_code == 404
    for path in ("", "/events", "/log"):
        assert client.get(f"/v1/trainings/{job}{path}").status_code == 404
    assert client.post(f"/v1/jobs/{training}/cancel").status_code == 404
    refused = client.post(f"/v1/trainings/{job}/cancel")
    assert (refused.status_code, refused.json()["type"].split(":")[-1]) == (404, "training-not-found")
    assert f"There is no training {job}" in refused.json()["detail"]


def test_trainings_need_the_scope_and_belong_to_their_tenant(client: TestClient, redis: Redis) -> None:
    keys = KeyStore(redis)
    one, other, reader = (
        client_of(client.app, key=keys.create(tenant, {scope})[1])  # type: ignore[arg-type]
        for tenant, scope in (("one", Scope.TRAIN), ("other", Scope.TRAIN), ("one", Scope.CLASSIFY))
    )
    url = one.post("/v1/trainings", json={}).json()["url"]
    assert other.get(url).status_code == 404
    assert other.post(f"{url}/cancel").status_code == 404
    assert other.get("/v1/trainings").json() == {"trainings": []}
    assert reader.get(url).status_code == reader.post("/v1/trainings", json={}).status_code == 403
    assert [found["url"] for found in one.get("/v1/trainings").json()["trainings"]] == [url]


def test_training_end_is_estimated_from_the_last_training(client: TestClient, redis: Redis) -> None:
    trainings = Trainings(redis)
    set_durations(redis, import_data=5, preprocess=10, train=20)
    url = client.post("/v1/trainings", json={}).json()["url"]
    lease = trainings.lease()
    assert lease is not None
    trainings.report(lease, stages={"import_data": {"state": StageState.DONE}})
    trainings.report(lease, stages={"preprocess": {"state": StageState.RUNNING}})
    assert client.get(url).json()["estimated_finish_at"] is None  # evaluate and gate were never run
    set_durations(redis, evaluate=30, gate=40)
    shown = client.get(url).json()
    assert shown["estimated_finish_at"] > shown["started_at"]
    assert shown["stage"] == "preprocess"


def test_training_events_show_stages_and_end_with_the_training(client: TestClient, redis: Redis) -> None:
    training = client.post("/v1/trainings", json={}).json()
    client.post(f"{training['url']}/cancel")
    with client.stream("GET", training["events_url"]) as stream:
        lines = [line for line in stream.iter_lines() if line.startswith("event:")]
    assert lines == ["event: end"]


@pytest.mark.parametrize("params", [{"gate": {"min_items": 1}}, {"train": {"review": {"precision": 0.01}}}])
def test_changing_what_the_gate_asks_needs_the_scope_admin(
    settings: Settings, redis: Redis, params: dict[str, Any]
) -> None:
    body = {"params": params}
    _, train = KeyStore(redis).create("shop", {Scope.TRAIN})
    _, admin = KeyStore(redis).create("shop", {Scope.TRAIN, Scope.ADMIN})
    with local_client(settings) as client:
        answer = client_of(client.app, key=train).post("/v1/trainings", json=body)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["scope"]) == (403, "admin")
        assert client_of(client.app, key=admin).post("/v1/trainings", json=body).status_code == 202  # type: ignore[arg-type]
