"""Deciding once for all near copies over HTTP, and taking it back. No worker runs."""

import shutil
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from redis import Redis

from api.decisions.index import DecisionIndex
from shared.settings import Settings
from shared.stores.decisions import DecisionKind, DecisionStore, learnable
from tests.integration.decisions.conftest import decide, decided, open_items, told, undo
from tests.integration.review.conftest import Answered, Waiting, places, taken

SHIRTS = ("Chemise lin noire M", "Chemise lin blanche XL", "Chemise lin bleue 42", "Chemise lin rouge 44")


def test_one_decision_counts_for_all_copies(api: httpx.Client, waiting: Waiting, store: DecisionStore) -> None:
    job, other = waiting(api, *SHIRTS[:2], "Tapis laine"), waiting(api, *SHIRTS[2:])
    decision = {"job_id": job, "index": 1, "category": "2583", "copies": True, "by": "anna", "took_ms": 900}
    out = decided(api, decision)
    assert (out["accepted"], out["decided"], out["skipped"], out["copies"]) == (4, 4, 0, 3)
    assert (open_items(api, job), open_items(api, other)) == (1, 0)
    first, *copies = store.decisions()
    assert (first.item_index, first.like, first.took_ms) == (1, None, 900)
    assert [(each.job, each.item_index, each.like, each.took_ms) for each in copies] == [
        (job, 0, 0, None),
        (other, 0, 0, None),
        (other, 1, 0, None),
    ]
    assert {(each.code, each.by, each.guess, each.bundle) for each in copies} == {("2583", "anna", "10", "one")}
    assert [label.title for label in learnable(store.decisions())] == [SHIRTS[1], SHIRTS[0], *SHIRTS[2:]]
    assert [one["like"] for one in told(api)] == [None, *[first.place] * 3]


def test_undoing_takes_the_whole_card_back(api: httpx.Client, waiting: Waiting, store: DecisionStore) -> None:
    job = waiting(api, *SHIRTS, "Tapis laine", "Vase verre")
    decided(api, {"job_id": job, "index": 4, "category": "40", "by": "anna"})
    decided(
        api,
        {"job_id": job, "index": 0, "category": "40", "copies": True, "by": "anna"},
        {"job_id": job, "index": 5, "none_of_these": True, "note": "?", "copies": True, "by": "anna"},
    )
    decided(api, {"job_id": job, "index": 2, "category": "50", "by": "ben"})
    assert open_items(api, job) == 0
    vase, shirts = undo(api, 2, by="anna")
    assert (vase["index"], vase["copies"], shirts["index"], shirts["copies"]) == (5, 0, 0, 3)
    assert (open_items(api, job), places(taken(api))) == (4, [[0, 1, 3], [5]]), "Ben's decision stays"
    undos = [each for each in store.decisions() if each.kind is DecisionKind.UNDO]
    assert [(each.item_index, each.like) for each in undos] == [(5, None), (0, None), (1, 1), (2, 1), (3, 1)]
    assert [one["like"] for one in told(api)][-5:] == [None, None, *[undos[1].place] * 3]
    undo(api, by="ben")
    undo(api, 9, by="anna")
    assert open_items(api, job) == 6


def test_a_card_is_taken_back_as_a_whole_though_redis_lost_what_it_knew(
    api: httpx.Client, waiting: Waiting, redis: Redis, store: DecisionStore
) -> None:
    job = waiting(api, *SHIRTS)
    decided(api, {"job_id": job, "index": 0, "category": "40", "copies": True, "by": "anna"})
    before = told(api)
    DecisionIndex(redis, store, 3600).rebuild()
    assert (told(api), open_items(api, job)) == (before, 0)
    (undone,) = undo(api, 9, by="anna")
    assert (undone["id"], undone["copies"], open_items(api, job)) == (before[0]["id"], 3, 4)
    DecisionIndex(redis, store, 3600).rebuild()
    assert (undo(api, by="anna"), open_items(api, job)) == ([], 4)


def test_a_decision_can_be_taken_back_though_its_file_is_gone(
    api: httpx.Client, waiting: Waiting, settings: Settings
) -> None:
    job = waiting(api, *SHIRTS)
    decided(api, {"job_id": job, "index": 0, "category": "40", "by": "anna"})
    shutil.rmtree(f"{urlsplit(settings.labels_url).path}/decisions")
    (undone,) = undo(api, by="anna")
    assert (undone["copies"], open_items(api, job)) == (0, 4)


def test_a_part_of_the_copies_is_decided_and_the_rest_comes_again(
    api: httpx.Client, waiting: Waiting, store: DecisionStore
) -> None:
    job = waiting(api, *SHIRTS)
    taken(api)
    also = [{"job_id": job, "index": index} for index in (2, 3)]
    out = decided(api, {"job_id": job, "index": 0, "category": "40", "also": also, "by": "anna"})
    assert (out["accepted"], out["copies"]) == (3, 2)
    assert [each.item_index for each in store.decisions()] == [0, 2, 3]
    assert places(taken(api, by="ben")) == [[1]]
    (undone,) = undo(api, by="anna")
    assert (undone["copies"], open_items(api, job)) == (2, 4)


def test_copies_that_others_have_or_that_the_request_names_are_left_out(
    api: httpx.Client, waiting: Waiting, store: DecisionStore
) -> None:
    job = waiting(api, *SHIRTS[:2])
    assert len(taken(api, by="ben")) == 1
    more = waiting(api, *SHIRTS[2:])
    out = decided(
        api,
        {"job_id": more, "index": 0, "category": "40", "copies": True, "by": "anna"},
        {"job_id": more, "index": 1, "category": "50", "copies": True, "by": "anna"},
    )
    assert (out["accepted"], out["copies"]) == (2, 0), "Ben has the others"
    out = decided(api, {"job_id": job, "index": 0, "category": "40", "copies": True, "by": "ben"})
    assert (out["accepted"], out["copies"]) == (2, 1), "and decides about them"
    assert open_items(api, job) == 0
    again = decided(api, {"job_id": job, "index": 0, "category": "50", "copies": True, "by": "anna"})
    assert again["copies"] == 0, "what is decided is no copy of another"


def test_a_request_holds_no_more_than_its_limit_with_the_copies(api: httpx.Client, waiting: Waiting) -> None:
    job = waiting(api, *(f"Chemise lin {number}" for number in range(30)))
    out = decided(api, {"job_id": job, "index": 7, "category": "40", "copies": True})
    assert (out["accepted"], open_items(api, job)) == (20, 10), "the rest stays open"
    also = [{"job_id": job, "index": index} for index in range(20)]
    refused = decide(api, {"job_id": job, "index": 29, "category": "40", "also": also})
    assert (refused.status_code, refused.json()["type"].split(":")[-1]) == (413, "too-many-decisions")


def test_a_key_has_one_effect_with_copies_too(api: httpx.Client, waiting: Waiting, store: DecisionStore) -> None:
    job = waiting(api, *SHIRTS)
    decision = {"job_id": job, "index": 0, "category": "40", "copies": True}
    first, again = decide(api, decision, key="k"), decide(api, decision, key="k")
    assert (first.json(), first.json()["copies"]) == (again.json(), 3)
    assert len(list(store.decisions())) == 4


def test_wrong_copies_are_named(api: httpx.Client, waiting: Waiting, store: DecisionStore) -> None:
    job = waiting(api, *SHIRTS[:1], Answered("Vase verre", needs_review=False))
    item: dict[str, Any] = {"job_id": job, "index": 0}
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({**item, "skip": True, "copies": True}, "", "value_error"),
        ({**item, "category": "40", "copies": True, "also": [item]}, "", "value_error"),
        ({**item, "category": "40", "also": [{**item, "index": 9}]}, "/also/0/index", "item_not_found"),
        ({**item, "category": "40", "also": [{**item, "x": 1}]}, "/also/0/x", "extra_forbidden"),
        ({**item, "category": "40", "also": [item] * 301}, "/also", "too_long"),
        ({**item, "category": "40", "also": [dict.fromkeys(map(str, range(21)))]}, "", "too_many_members"),
    ]
    for decision, pointer, code in wrong:
        response = decide(api, decision)
        assert response.status_code == 422, response.text
        errors = [(error["pointer"], error["code"]) for error in response.json()["errors"]]
        assert (f"/decisions/0{pointer}", code) in errors
    assert store.names() == []


def test_an_item_that_needs_no_look_has_no_copies(api: httpx.Client, waiting: Waiting) -> None:
    job = waiting(api, Answered(SHIRTS[0], needs_review=False), SHIRTS[1])
    assert decided(api, {"job_id": job, "index": 0, "category": "40", "copies": True})["copies"] == 0
    assert open_items(api, job) == 1


@pytest.mark.parametrize("by", ["anna", "ben"])
def test_copies_come_in_csv_too(api: httpx.Client, waiting: Waiting, by: str) -> None:
    job = waiting(api, *SHIRTS)
    table = f"job_id,index,category,copies,by\n{job},0,40,true,{by}\n"
    response = api.post("/v1/decisions", content=table, headers={"Content-Type": "text/csv"})
    assert (response.status_code, response.json()["copies"]) == (201, 3)
