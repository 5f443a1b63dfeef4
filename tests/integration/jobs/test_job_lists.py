"""`GET /v1/jobs`: what a client sees of its own jobs. No worker runs."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from redis import Redis

from shared.ledger import Ledger
from shared.settings import Settings
from shared.tenants.api_keys import KeyStore, Scope
from tests.http import client_of, local_client
from tests.redis_state import pass_deadline


@pytest.fixture
def api(redis_port: int, redis: Redis) -> Iterator[TestClient]:
    url = f"redis://127.0.0.1:{redis_port}"
    settings = Settings(redis_url=f"{url}/0", broker_url=f"{url}/1", confirm_on_disk=False, predict_timeout_s=0.1)
    with local_client(settings) as client:
        yield client


def submitted(api: TestClient) -> str:
    return str(api.post("/v1/jobs", json={"items": [{"title": "Livre"}]}).raise_for_status().json()["id"])


def listed(api: TestClient, **query: Any) -> tuple[list[str], str | None]:
    """The ids on a page, and the cursor of the next one."""
    page = api.get("/v1/jobs", params=query).raise_for_status().json()
    return [job["id"] for job in page["jobs"]], page["next_cursor"]


def test_a_list_has_the_jobs_as_they_are_but_for_the_queue(api: TestClient) -> None:
    assert api.get("/v1/jobs").json() == {"jobs": [], "next_cursor": None}
    job = submitted(api)
    alone = api.get(f"/v1/jobs/{job}").json()
    assert alone["queue"]
    assert api.get("/v1/jobs").json() == {"jobs": [{**alone, "queue": None}], "next_cursor": None}
    head = api.head("/v1/jobs")
    assert (head.status_code, head.content) == (200, b"")


def test_pages_follow_one_another(api: TestClient) -> None:
    jobs = [submitted(api) for _ in range(3)][::-1]
    first, cursor = listed(api, limit=2)
    assert (first, listed(api, limit=2, cursor=cursor)) == (jobs[:2], (jobs[2:], None))


def test_states_select_jobs(api: TestClient) -> None:
    cancelled, queued = submitted(api), submitted(api)
    api.post(f"/v1/jobs/{cancelled}/cancel").raise_for_status()
    assert listed(api, state="queued") == ([queued], None)
    assert listed(api, state=["cancelled", "queued"]) == ([queued, cancelled], None)
    assert listed(api, state="running") == ([], None)


def test_single_predictions_and_trainings_are_not_listed_but_retries_are(
    api: TestClient, ledger: Ledger, redis: Redis
) -> None:
    predicted = api.post("/predict", json={"description": "Livre"})
    assert predicted.status_code == 504
    api.post("/v1/trainings", json={}).raise_for_status()
    assert listed(api) == ([], None)
    job = predicted.json()["job_id"]
    pass_deadline(redis, job)
    assert ledger.expire() == 1
    retried = api.post(f"/v1/jobs/{job}/retry").raise_for_status().json()["id"]
    assert listed(api) == ([retried], None)


def test_a_list_needs_the_scope_and_shows_the_tenants_own_jobs(api: TestClient, redis: Redis) -> None:
    keys = KeyStore(redis)
    one, other, trainer = (
        client_of(api.app, key=keys.create(tenant, {scope})[1])  # type: ignore[arg-type]
        for tenant, scope in (("one", Scope.CLASSIFY), ("other", Scope.CLASSIFY), ("one", Scope.TRAIN))
    )
    mine, newer = submitted(one), submitted(one)
    theirs = submitted(other)
    ids, cursor = listed(one, limit=1)
    assert (ids, listed(one, cursor=cursor)) == ([newer], ([mine], None))
    assert listed(other) == ([theirs], None)
    assert listed(other, cursor=cursor) == ([], None), "its job came after the cursor's"
    assert trainer.get("/v1/jobs").status_code == 403


@pytest.mark.parametrize("cursor", ["", "x", "~", "1.0~" + "0" * 23, "0" * 10_000])
def test_a_cursor_that_is_none_is_refused(api: TestClient, cursor: str) -> None:
    answer = api.get("/v1/jobs", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["type"].split(":")[-1]) == (400, "unknown-cursor")
    assert len(answer.json()["detail"]) < 300


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 201}, {"state": "done"}])
def test_a_wrong_parameter_is_named(api: TestClient, query: dict[str, Any]) -> None:
    answer = api.get("/v1/jobs", params=query)
    assert (answer.status_code, [e["pointer"].split("/")[2] for e in answer.json()["errors"]]) == (422, [*query])
