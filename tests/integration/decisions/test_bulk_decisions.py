"""Decisions about all items of a filter: made in the background, though processes die, and taken back as one."""

from typing import Any

import httpx
import pytest
from redis import Redis

from shared.ledger import BulkDecisions, BulkState
from shared.stores.decisions import DecisionStore
from shared.tenants.api_keys import KeyStore, Scope
from tests.http import client_of
from tests.integration.decisions.conftest import SUGGESTED, Classified, decided, open_items, told, undo
from tests.redis_state import lose_bulk_report
from tests.waiting import wait_for

POOL = "2583"


def begin(api: httpx.Client, job: str, filters: dict[str, Any] | None = None, **said: Any) -> Any:
    body = {"job_id": job, "filter": filters or {}, **(said or {"category": POOL})}
    response = api.post("/v1/decisions/bulk", json=body)
    assert response.status_code == 202, response.text
    assert response.headers["Location"] == response.json()["url"]
    return response.json()


def ended(api: httpx.Client, bulk: Any, state: str = "completed") -> Any:
    def found() -> Any:
        now = api.get(bulk["url"]).raise_for_status().json()
        return now if now["state"] not in ("running", "undoing") else None

    now = wait_for("the bulk decision ends", found)
    assert now["state"] == state
    return now


def undone(api: httpx.Client, bulk: Any) -> Any:
    assert api.post(f"{bulk['url']}/undo").status_code == 202
    return ended(api, bulk, "undone")


def finals(api: httpx.Client, job: str) -> list[str | None]:
    results = api.get(f"/v1/jobs/{job}/results").raise_for_status().json()["results"]
    return [result["final"] and result["final"]["code"] for result in results]


def test_all_items_of_a_filter_are_decided_and_taken_back_as_one(api: httpx.Client, classified: Classified) -> None:
    job = classified(api, [{"title": "Piscine ronde"}, {"title": "Livre"}, {"title": "piscine tubulaire"}])
    bulk = ended(api, begin(api, job, {"q": "piscine"}, category="Piscines et accessoires", by="anna"))
    assert (bulk["decided"], bulk["undone"], bulk["by"], bulk["category"]["code"]) == (2, 0, "anna", POOL)
    assert finals(api, job) == [POOL, SUGGESTED, POOL]
    assert open_items(api, job) == 1
    assert undo(api, by="anna") == [], "it is taken back as one, not decision by decision"
    assert undone(api, bulk)["undone"] == 2
    assert (finals(api, job), open_items(api, job)) == ([SUGGESTED] * 3, 3)
    assert undone(api, bulk)["undone"] == 2, "once is enough"
    assert [(each["kind"], each["by"]) for each in told(api)] == [("category", "anna")] * 2 + [("undo", "anna")] * 2


def test_what_people_have_decided_stays(api: httpx.Client, classified: Classified) -> None:
    job = classified(api, 3)
    decided(api, {"job_id": job, "index": 1, "category": "40", "by": "ben"})
    bulk = ended(api, begin(api, job, none_of_these=True, note="a trailer"))
    assert bulk["decided"] == 2
    assert finals(api, job) == [None, "40", None]
    decided(api, {"job_id": job, "index": 0, "category": "40", "by": "ben"})
    undone(api, bulk)
    assert finals(api, job) == ["40", "40", SUGGESTED]


def test_a_large_job_is_decided_in_several_files(
    api: httpx.Client, classified: Classified, store: DecisionStore
) -> None:
    job = classified(api, 2_300)
    bulk = ended(api, begin(api, job))
    assert (bulk["decided"], open_items(api, job), len(store.names())) == (2_300, 0, 3)
    undone(api, bulk)
    assert open_items(api, job) == 2_300


def test_a_step_whose_process_died_before_it_told_so_is_done_once(
    api: httpx.Client, classified: Classified, redis: Redis, store: DecisionStore
) -> None:
    bulk = ended(api, begin(api, classified(api, 3)))
    lose_bulk_report(redis, bulk["id"])
    assert ended(api, bulk)["decided"] == 3
    assert len(store.names()) == 1
    assert undone(api, bulk)["undone"] == 3


def test_a_process_has_a_step_for_a_while(redis: Redis) -> None:
    bulks = BulkDecisions(redis, keep_s=60)
    bulk = bulks.open("local", "job", "{}")
    assert bulks.take() == bulk
    assert bulks.take() is None
    bulks.put_back(bulk)
    assert bulks.take() == bulk
    bulks.report(bulk, BulkState.COMPLETED, "", decisions=2)
    bulks.report(bulk, BulkState.COMPLETED, "", decisions=2)  # by a process that was taken for dead
    done = bulks.find(bulk.id)
    assert done is not None
    assert (done.decided, bulks.take()) == (2, None)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"job_id": "0" * 24, "filter": {}, "category": POOL}, 404, "job-not-found"),
        ({"filter": {}, "category": "Nothing like it"}, 422, "invalid-request"),
        ({"filter": {}, "category": POOL, "none_of_these": True}, 422, "invalid-request"),
        ({"filter": {"decided": True}, "category": POOL}, 422, "invalid-request"),
        ({"category": POOL}, 422, "invalid-request"),
    ],
)
def test_what_cannot_be_decided_is_refused(
    api: httpx.Client, classified: Classified, body: dict[str, Any], status: int, kind: str
) -> None:
    refused = api.post("/v1/decisions/bulk", json={"job_id": classified(api), **body})
    assert (refused.status_code, refused.json()["type"].split(":")[-1]) == (status, kind)


def test_a_running_job_waits_and_other_tenants_see_nothing(api: httpx.Client, classified: Classified) -> None:
    running = str(api.post("/v1/jobs", json={"items": [{"title": "x"}]}).raise_for_status().json()["id"])
    refused = api.post("/v1/decisions/bulk", json={"job_id": running, "filter": {}, "category": POOL})
    assert (refused.status_code, refused.json()["type"].split(":")[-1]) == (409, "job-running")
    bulk = ended(api, begin(api, classified(api)))
    app = api.app  # type: ignore[attr-defined]
    other = client_of(app, key=KeyStore(app.state.stores.redis).create("acme", [Scope.REVIEW])[1])
    for answer in (other.get(bulk["url"]), other.post(f"{bulk['url']}/undo")):
        assert (answer.status_code, answer.json()["type"].split(":")[-1]) == (404, "bulk-decision-not-found")
