"""The files are the source of truth: what Redis lost of them comes back, and a damaged one stops nothing for good."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from api.decisions import submission
from shared.ledger import Memory
from shared.settings import Settings
from shared.stores.decisions import DecisionStore
from tests.http import local_client
from tests.integration.decisions.conftest import Classified, decide, decided, open_items, told, undo
from tests.redis_state import forget_that_the_index_was_made, lose_decision_index, lose_decisions_of_job
from tests.waiting import wait_for


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "_LOOK_S", 0.05)


@pytest.fixture
def job(api: httpx.Client, classified: Classified) -> str:
    """A job of which Anna has decided the first two items, and taken the second decision back."""
    job = classified(api, [{"title": "Piscine ronde"}, {"title": "Livre rare"}, {"title": "Lampe"}])
    for index in range(2):
        decided(api, {"job_id": job, "index": index, "category": "40", "by": "anna"})
    undo(api, by="anna")
    return job


@pytest.fixture
def damaged(settings: Settings, job: str) -> tuple[Path, bytes]:
    """The first file, and what was in it."""
    file = min(Path(settings.labels_url.removeprefix("file://")).glob("decisions/*/*.ndjson"))
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    return file, content


def remembered(redis: Redis) -> list[tuple[str | None, str]]:
    return [(one.code, one.by) for one in Memory(redis).all("local")]


def finals(api: httpx.Client, job: str) -> list[Any]:
    results = api.get(f"/v1/jobs/{job}/results").raise_for_status().json()["results"]
    return [(result["final"]["code"], result["needs_review"]) for result in results]


def warnings(api: httpx.Client) -> str:
    return "\n".join(api.get("/health").raise_for_status().json()["warnings"])


def test_a_start_makes_all_again_for_jobs_that_redis_still_has(
    api: httpx.Client, job: str, redis: Redis, settings: Settings
) -> None:
    before, results = told(api), finals(api, job)
    lose_decision_index(redis)
    lose_decisions_of_job(redis, job, 0)
    with local_client(settings) as another:
        wait_for("the index is made again", lambda: remembered(redis) == [("40", "anna")])
        assert (told(another), finals(another, job), open_items(another, job)) == (before, results, 2)
        assert [one["index"] for one in undo(another, by="anna")] == [0]


def test_a_start_with_an_empty_redis_remembers_and_tells(
    api: httpx.Client, job: str, redis: Redis, settings: Settings, classified: Classified
) -> None:
    before = told(api)
    redis.flushdb()
    with local_client(settings) as another:
        wait_for("the index is made again", lambda: remembered(redis) == [("40", "anna")])
        assert told(another) == before, "also of jobs that are gone"
        new = classified(another, 2)
        decided(another, {"job_id": new, "index": 0, "category": "10", "by": "ben"})
        (last,) = told(another, since=before[-1]["cursor"])
        assert (last["job_id"], open_items(another, new)) == (new, 1)


def test_an_operator_can_have_it_made_again_while_the_api_runs(api: httpx.Client, job: str, redis: Redis) -> None:
    before = told(api)
    lose_decisions_of_job(redis, job, 0)
    forget_that_the_index_was_made(redis)
    wait_for("the job's decisions are there again", lambda: open_items(api, job) == 2)
    wait_for("the index is made again", lambda: remembered(redis) == [("40", "anna")])
    assert told(api) == before


def test_a_damaged_file_is_told_and_ends_no_loop(
    api: httpx.Client, job: str, redis: Redis, damaged: tuple[Path, bytes], store: DecisionStore
) -> None:
    file, content = damaged
    lose_decision_index(redis)
    bulk = api.post("/v1/decisions/bulk", json={"job_id": job, "filter": {}, "category": "40"}).raise_for_status()
    wait_for("the damage is told", lambda: f"line 1 of {file} is damaged" in warnings(api))
    for loop in ("the index of decisions", "a decision about a filter"):
        wait_for("each loop tells it", lambda loop=loop: f"{loop} cannot go on" in warnings(api))  # type: ignore[misc]
    refused = decide(api, {"job_id": job, "index": 2, "category": "40"})
    assert (refused.status_code, refused.json()["type"].split(":")[-1]) == (503, "store-unavailable")
    assert "damaged" in refused.json()["detail"]
    assert str(file.parent) not in refused.text
    file.write_bytes(content)
    wait_for("the loops go on", lambda: "cannot go on" not in warnings(api))
    wait_for("the filter is decided", lambda: api.get(bulk.json()["url"]).json()["state"] == "completed")
    assert open_items(api, job) == 0
    assert len({decision.place for decision in store.decisions()}) == len(told(api))
