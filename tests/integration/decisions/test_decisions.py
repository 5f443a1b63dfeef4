"""Decisions over HTTP: what is kept of them, what is refused, and how they are told. No worker runs."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from redis import Redis

from api.decisions.index import DecisionIndex
from shared.ledger import Decisions, Ledger
from shared.settings import Settings
from shared.stores.decisions import Decision, DecisionKind, DecisionStore, learnable
from shared.stores.labels import LabelStore
from shared.stores.request_files import file_name, microseconds
from shared.tenants.api_keys import KeyStore, Scope
from tests.http import client_of, local_client
from tests.integration.decisions.conftest import Classified, decide, decided, open_items, told, undo
from tests.pictures import in_base64, jpeg
from tests.redis_state import (
    claims,
    expire_results,
    forget_application,
    forget_decision_turns,
    forget_told_decisions,
    lose_decision_index,
    lose_part,
)
from tests.waiting import wait_for

_CHOSEN, _SKIPPED = '{"job_id": "JOB", "index": 0, "category": 40}', '{"job_id": "JOB", "index": 1, "skip": true}'


def test_decisions_are_kept_with_who_when_and_what_was_suggested(
    api: httpx.Client, classified: Classified, store: DecisionStore, ledger: Ledger
) -> None:
    job, before = classified(api), ledger.now()
    out = decided(
        api,
        {"job_id": job, "index": 0, "category": "Piscines et accessoires", "by": "anna", "took_ms": 2400},
        {"job_id": job, "index": 1, "none_of_these": True, "note": "une remorque"},
        {"job_id": job, "index": 2, "skip": True},
    )
    assert (out["accepted"], out["decided"], out["skipped"]) == (3, 2, 1)
    pool, none, skipped = store.decisions()
    assert pool.file == f"{out['id']}.ndjson"
    assert (pool.kind, pool.code, pool.by, pool.took_ms, pool.item) == (
        DecisionKind.CATEGORY,
        "2583",
        "anna",
        2400,
        "sku-0",
    )
    assert (pool.guess, pool.confidence, pool.bundle, pool.needs_review, pool.title) == (
        "10",
        0.5,
        "one",
        True,
        "Livre 0",
    )
    assert before - 0.01 <= pool.at.timestamp() <= ledger.now()
    assert (none.kind, none.note, none.by, none.tenant) == (
        DecisionKind.NONE_OF_THESE,
        "une remorque",
        "local",
        "local",
    )
    assert (skipped.kind, skipped.code, skipped.title) == (DecisionKind.SKIP, None, None)
    assert open_items(api, job) == 1


def test_a_decision_can_name_a_category_that_has_others_below_it(
    api: httpx.Client, classified: Classified, store: DecisionStore
) -> None:
    tree = api.get("/v1/taxonomy").json()["categories"]
    inner = next(category["parent"] for category in tree if category["parent"])
    decided(api, {"job_id": classified(api), "index": 0, "category": inner})
    assert [decision.code for decision in store.decisions()] == [inner]


def test_pictures_of_decided_items_are_kept_to_be_learnt(
    api: httpx.Client, classified: Classified, store: DecisionStore, settings: Settings
) -> None:
    picture = jpeg("red", (8, 8))
    job = classified(api, [{"title": "Lampe", "image": {"base64": in_base64(picture)}}])
    decided(api, {"job_id": job, "index": 0, "category": "40"})
    (label,) = learnable(store.decisions())
    assert (label.title, label.code) == ("Lampe", "40")
    assert LabelStore(settings.labels_url).picture(str(label.picture)) == picture


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/x-ndjson", f"{_CHOSEN}\n\n{_SKIPPED}\n"),
        ("text/csv", "job_id;index;category;skip;none_of_these\nJOB;0;40;;\nJOB;1;;true;false\n"),
        ("application/json", f"[{_CHOSEN}, {_SKIPPED}]"),
    ],
)
def test_decisions_agree_in_every_form(
    api: httpx.Client, classified: Classified, store: DecisionStore, media_type: str, body: str
) -> None:
    content = body.replace("JOB", classified(api))
    response = api.post("/v1/decisions", content=content, headers={"Content-Type": media_type})
    assert response.status_code == 201, response.text
    assert [(each.item_index, each.kind.value, each.code) for each in store.decisions()] == [
        (0, "category", "40"),
        (1, "skip", None),
    ]


# What is wrong


def test_invalid_decisions_are_named_and_none_is_kept(
    api: httpx.Client, classified: Classified, store: DecisionStore
) -> None:
    job = classified(api, 3, failing=1)
    item = {"job_id": job, "index": 0}
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({**item, "category": "11"}, "/category", "unknown_category"),
        ({**item, "category": "40", "skip": True}, "", "value_error"),
        (item, "", "value_error"),
        ({**item, "category": "40", "note": "?"}, "", "value_error"),
        ({**item, "none_of_these": True, "note": "x" * 1001}, "/note", "string_too_long"),
        ({**item, "skip": True, "by": "x" * 101}, "/by", "string_too_long"),
        ({**item, "skip": True, "took_ms": -1}, "/took_ms", "greater_than_equal"),
        ({**item, "skip": True, "more": 1}, "/more", "extra_forbidden"),
        ({"job_id": job, "index": -1, "skip": True}, "/index", "greater_than_equal"),
        ({"job_id": job, "index": 3, "skip": True}, "/index", "item_not_found"),
        ({"job_id": job, "index": 2, "skip": True}, "/index", "no_result"),
        ({"job_id": "0" * 24, "index": 0, "skip": True}, "/job_id", "job_not_found"),
        ({"job_id": "*", "index": 0, "skip": True}, "/job_id", "job_not_found"),
    ]
    response = decide(api, *(decision for decision, _, _ in wrong), {**item, "category": "40"})
    assert (response.status_code, response.json()["type"].split(":")[-1]) == (422, "invalid-decisions")
    assert "on_invalid" not in response.json()["detail"]
    errors = [(error["index"], error["pointer"], error["code"]) for error in response.json()["errors"]]
    assert errors == [(at, f"/decisions/{at}{pointer}", code) for at, (_, pointer, code) in enumerate(wrong)]
    assert (store.names(), open_items(api, job)) == ([], 2)


def test_a_request_has_some_decisions_and_not_too_many(api: httpx.Client, classified: Classified) -> None:
    assert decide(api).json()["type"].endswith("no-decisions")
    item = {"job_id": classified(api), "index": 0, "skip": True}
    assert decide(api, *[item] * 20).status_code == 201
    refused = decide(api, *[item] * 21)
    assert (refused.status_code, refused.json()["type"].split(":")[-1]) == (413, "too-many-decisions")


def test_nobody_decides_about_results_that_are_gone(api: httpx.Client, classified: Classified, redis: Redis) -> None:
    job = classified(api)
    expire_results(redis, job)
    (error,) = decide(api, {"job_id": job, "index": 0, "skip": True}).json()["errors"]
    assert (error["pointer"], error["code"]) == ("/decisions/0/job_id", "results_gone")


def test_a_decision_about_an_item_that_is_not_kept_stands_and_is_not_learnt(
    api: httpx.Client, classified: Classified, redis: Redis, store: DecisionStore, settings: Settings
) -> None:
    job = classified(api)
    lose_part(redis, job, "kept")
    decided(api, {"job_id": job, "index": 0, "category": "40"})
    assert open_items(api, job) == 2
    assert list(learnable(store.decisions())) == []


def test_jobs_and_decisions_are_the_tenants_own(api: httpx.Client, classified: Classified, redis: Redis) -> None:
    app = api.app  # type: ignore[attr-defined]
    keys = KeyStore(redis)
    one, other = (
        client_of(app, key=keys.create(tenant, [Scope.CLASSIFY, Scope.REVIEW])[1]) for tenant in ("one", "other")
    )
    job = classified(one)
    (error,) = decide(other, {"job_id": job, "index": 0, "skip": True}).json()["errors"]
    assert (error["pointer"], error["code"]) == ("/decisions/0/job_id", "job_not_found")
    decided(one, {"job_id": job, "index": 0, "none_of_these": True, "by": "anna"})
    assert (told(other), undo(other, by="anna")) == ([], [])
    assert len(told(one)) == len(undo(one, by="anna")) == 1


# Taking back


def test_undoing_takes_back_the_persons_last_decisions(
    api: httpx.Client, classified: Classified, store: DecisionStore
) -> None:
    job = classified(api)
    decided(api, {"job_id": job, "index": 0, "category": "40", "by": "anna"})
    decided(api, {"job_id": job, "index": 0, "category": "50", "by": "ben"})
    decided(api, {"job_id": job, "index": 1, "skip": True, "by": "ben"})
    first, second = undo(api, 2, by="ben")
    assert (first["index"], first["decision"], second["index"]) == (1, None, 0)
    assert (second["decision"]["category"]["code"], second["decision"]["by"]) == ("40", "anna")
    assert [decision.kind for decision in store.decisions()][-2:] == [DecisionKind.UNDO] * 2
    assert open_items(api, job) == 2
    assert undo(api, 2, by="ben") == [], "nobody takes back what another person decided"
    assert len(store.names()) == 4, "nothing is written where nothing is undone"
    undo(api, 50, by="anna")
    assert open_items(api, job) == 3


@pytest.mark.parametrize("body", [{"count": 0}, {"count": 51}, {"count": "x"}, {"by": ""}, {"all": True}])
def test_a_wrong_undo_is_refused(api: httpx.Client, body: dict[str, Any]) -> None:
    assert api.post("/v1/decisions/undo", json=body).status_code == 422


# Repetitions and crashes


def test_a_key_has_one_effect_and_one_answer(api: httpx.Client, classified: Classified, store: DecisionStore) -> None:
    job = classified(api)
    decision = {"job_id": job, "index": 0, "category": "40"}
    first, again = decide(api, decision, key="k"), decide(api, decision, key="k")
    assert (first.json(), again.headers["Idempotency-Replayed"]) == (again.json(), "true")
    assert len(store.names()) == 1
    assert decide(api, {**decision, "index": 1}, key="k").status_code == 422
    undone = [api.post("/v1/decisions/undo", json={}, headers={"Idempotency-Key": "u"}).json() for _ in range(2)]
    assert undone[0] == undone[1]
    assert len(store.names()) == 2


@pytest.mark.parametrize("applied", [True, False])
def test_a_request_whose_process_died_before_it_answered_is_not_done_twice(
    api: httpx.Client, classified: Classified, store: DecisionStore, redis: Redis, applied: bool
) -> None:
    job = classified(api)
    decision = {"job_id": job, "index": 0, "category": "40"}
    first = decide(api, decision, key="k").json()
    for key in claims(redis):
        redis.delete(key)  # what the request would have left, had it been answered
    if not applied:
        (name,) = store.names()
        forget_application(redis, job, microseconds(name), name[-31:-7])
    assert decide(api, decision, key="k").json() == first
    assert (len(store.names()), len(told(api)), open_items(api, job)) == (1, 1, 2)


def test_a_file_that_was_written_and_not_applied_is_applied_at_the_next_request(
    api: httpx.Client, classified: Classified, settings: Settings, redis: Redis, store: DecisionStore
) -> None:
    job = classified(api)
    decided(api, {"job_id": job, "index": 0, "skip": True})
    turn = Decisions(redis, 3600).claim("local", "0" * 24, repeatable=False)
    assert turn is not None
    lost = Decision(0, DecisionKind.CATEGORY, "local", "anna", job, 1, "sku-1", "40", needs_review=True)
    store.append(file_name(turn.moment / 1e6, turn.identifier), [lost])
    forget_decision_turns(redis)
    assert open_items(api, job) == 3
    decided(api, {"job_id": job, "index": 2, "category": "40"})
    assert open_items(api, job) == 1
    assert [decision["index"] for decision in told(api)] == [0, 1, 2]


def test_a_turn_without_a_file_stops_nobody(api: httpx.Client, classified: Classified, redis: Redis) -> None:
    job = classified(api)
    assert Decisions(redis, 3600).claim("local", "0" * 24, repeatable=False)
    forget_decision_turns(redis)
    decided(api, {"job_id": job, "index": 0, "category": "40"})
    assert len(told(api)) == 1


def test_requests_at_the_same_time_are_all_kept(
    api: httpx.Client, classified: Classified, store: DecisionStore
) -> None:
    job = classified(api, 12)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda index: decided(api, {"job_id": job, "index": index, "category": "40"}), range(12)))
    assert open_items(api, job) == 0
    assert [one["id"] for one in told(api)] == [decision.place for decision in store.decisions()]


def test_another_process_makes_the_index_again_when_redis_lost_it(
    api: httpx.Client, classified: Classified, settings: Settings, redis: Redis
) -> None:
    job = classified(api)
    decided(api, {"job_id": job, "index": 0, "category": "40", "by": "anna"})
    before = told(api)
    lose_decision_index(redis)
    with local_client(settings) as another:
        assert told(another) == before
        assert told(another, since=before[0]["cursor"]) == []
        assert [one["id"] for one in undo(another, by="anna")] == [before[0]["id"]]
        assert open_items(another, job) == 3


def test_the_index_can_be_made_again_by_hand(
    api: httpx.Client, classified: Classified, settings: Settings, redis: Redis, store: DecisionStore
) -> None:
    job = classified(api)
    decided(api, *({"job_id": job, "index": index, "category": "40", "by": "anna"} for index in range(3)))
    undo(api, by="anna")
    before = told(api)
    DecisionIndex(redis, store, 30 * 24 * 3600).rebuild()
    assert (told(api), open_items(api, job)) == (before, 1)


# Telling


def test_decisions_are_told_page_by_page(api: httpx.Client, classified: Classified) -> None:
    job = classified(api)
    assert api.get("/v1/decisions").json() == {"decisions": [], "next_cursor": None}
    decided(api, *({"job_id": job, "index": index, "category": "40", "by": "anna"} for index in range(2)))
    first = api.get("/v1/decisions", params={"limit": 1}).json()
    undo(api, by="anna")
    rest = api.get("/v1/decisions", params={"since": first["next_cursor"]}).json()
    one, (other, undone) = first["decisions"][0], rest["decisions"]
    assert (one["index"], one["item_id"], one["by"], one["kind"]) == (0, "sku-0", "anna", "category")
    assert one["suggested"] == {
        "code": "10",
        "name": one["suggested"]["name"],
        "confidence": 0.5,
        "bundle": "one",
    }
    assert (one["category"]["code"], one["undoes"]) == ("40", None)
    assert (undone["kind"], undone["undoes"], undone["category"]) == ("undo", other["id"], None)
    assert rest["next_cursor"] == undone["cursor"]
    assert api.get("/v1/decisions", params={"since": rest["next_cursor"]}).json() == {
        "decisions": [],
        "next_cursor": rest["next_cursor"],
    }
    lines = api.get("/v1/decisions", params={"format": "ndjson"}).raise_for_status()
    assert lines.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line) for line in lines.text.splitlines()] == [one, other, undone]


def test_a_cursor_that_leads_nowhere_is_refused(api: httpx.Client, classified: Classified, redis: Redis) -> None:
    assert api.get("/v1/decisions", params={"since": "x"}).json()["type"].endswith("unknown-cursor")
    job = classified(api)
    decided(api, *({"job_id": job, "index": index, "skip": True} for index in range(2)))
    first, second = told(api)
    forget_told_decisions(redis, "local", second["id"])
    gone = api.get("/v1/decisions", params={"since": first["cursor"]})
    assert (gone.status_code, gone.json()["type"].split(":")[-1]) == (410, "decisions-gone")


def test_an_index_that_redis_lost_is_made_again_before_anything_is_written(
    api: httpx.Client, classified: Classified, redis: Redis
) -> None:
    job = classified(api)
    decided(api, {"job_id": job, "index": 0, "category": "40"})
    (first,) = told(api)
    lose_decision_index(redis)
    decided(api, {"job_id": job, "index": 1, "category": "40"})
    assert [one["index"] for one in told(api)] == [0, 1]
    assert [one["index"] for one in told(api, since=first["cursor"])] == [1]


def test_nobody_reads_an_index_that_is_being_made(api: httpx.Client, redis: Redis) -> None:
    decisions = Decisions(redis, 3600)
    wait_for("the API has made it at its start", decisions.begin_building)
    busy = api.get("/v1/decisions")
    assert (busy.status_code, busy.json()["type"].split(":")[-1], busy.headers["Retry-After"]) == (
        503,
        "decisions-busy",
        "1",
    )
    decisions.end_building(complete=False)
    assert told(api) == []
