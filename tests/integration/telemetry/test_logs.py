"""The logs of a running stack as JSON."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from redis import Redis

from stack.processes import free_port
from stack.receiver import WebhookReceiver
from stack.services import Stack
from tests.redis_state import break_record, lose_record
from tests.waiting import finished, wait_for

PROCESSES = ("api", "worker", "housekeeper", "courier")
NAMED = {"time", "level", "logger", "message", "process", "host", "pid"}


@pytest.fixture(scope="module")
def caller(observed: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=observed.url, timeout=60) as client:
        yield client


def lines(stack: Stack, process: str, **fields: Any) -> list[dict[str, Any]]:
    """Those that have these fields; every line must be an object."""
    written = [json.loads(line) for line in stack.process(process).log.read_text().splitlines()]
    return [line for line in written if fields.items() <= line.items()]


def test_log_lines_are_found_by_request_job_item_and_webhook(observed: Stack, caller: httpx.Client) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/lampe.jpg?signature=pssst"
    items = [{"id": "pool", "title": "Piscine gonflable"}, {"id": "lamp", "image": {"url": nobody}}]
    with WebhookReceiver(observed.webhook_secret, statuses=[503]) as receiver:
        hook = receiver.url.replace("//", "//shop:pssst@") + "?token=pssst"
        asked = caller.post(
            "/v1/jobs", params={"webhook_url": hook}, json={"items": items}, headers={"X-Request-ID": "nightly:1"}
        )
        receiver.received.get(timeout=30)
    assert asked.headers["X-Request-ID"] == "nightly:1"
    job = asked.raise_for_status().json()
    assert finished(caller, job["url"])["state"] == "partial"

    (accepted,) = lines(observed, "api", job=job["id"])
    (access,) = lines(observed, "api", logger="uvicorn.access", request_id="nightly:1")
    assert accepted["request_id"] == "nightly:1"
    assert (access["method"], access["path"], access["status"]) == ("POST", "/v1/jobs", 202)
    (failing,) = lines(observed, "worker", item="lamp")
    assert (failing["job"], failing["chunk"], failing["process"]) == (job["id"], 0, "worker")
    attempts = wait_for("both attempts are logged", lambda: _two(lines(observed, "courier", job=job["id"])))
    assert "it answered 503" in attempts[0]["message"]
    told = "".join(observed.process(name).log.read_text() for name in PROCESSES)
    assert "pssst" not in told
    assert "Piscine" not in told


def test_invalid_request_id_is_replaced(caller: httpx.Client) -> None:
    made = [
        caller.get("/health/live", headers={"X-Request-ID": given}).headers["X-Request-ID"]
        for given in ("", "a b", "a\tb", "{a}", "a" * 129)
    ]
    assert all(len(request_id) == 24 for request_id in made)
    assert len(set(made)) == 5


def test_logged_error_is_found_by_its_request_id(observed: Stack, caller: httpx.Client) -> None:
    job = caller.post("/v1/jobs", json={"items": [{"title": "Livre"}]}).json()
    finished(caller, job["url"])
    with Redis.from_url(observed.env["CATALOG_REDIS_URL"]) as redis:
        break_record(redis, job["id"])
        answer = caller.get(job["url"])
        lose_record(redis, job["id"])
    assert answer.status_code == 500
    request_id = answer.headers["X-Request-ID"]
    (line,) = wait_for("it is logged", lambda: lines(observed, "api", level="ERROR", request_id=request_id))
    assert "no such state" in line["exception"]


def test_every_log_line_is_a_json_object(observed: Stack) -> None:
    """The housekeeper with its beat is stopped for this, and started again."""
    observed.process("housekeeper").stop()
    observed.start_housekeeper()
    for name in PROCESSES:
        written = lines(observed, name)
        assert written
        assert all(line.keys() >= NAMED for line in written)
        assert {line["process"] for line in written} == {name}
    assert any("Warm shutdown" in line["message"] for line in lines(observed, "housekeeper"))


def _two(found: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    return found if len(found) == 2 else None
