"""What people decided about items answers equal items of later jobs, through a real queue and a real worker."""

import csv
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.pictures import in_base64, jpeg
from tests.waiting import finished, wait_for

PICTURE = {"base64": in_base64(jpeg("orange", (300, 300)))}
POOL, BOOK = "2583", "10"


def classified(api: httpx.Client, *items: dict[str, Any], **options: Any) -> dict[str, Any]:
    return finished(api, api.post("/v1/jobs", json={"items": items, **options}).raise_for_status().json()["url"])


def results(api: httpx.Client, job: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(job["results_url"]).raise_for_status().json()["results"]
    return sorted(found, key=lambda result: int(result["index"]))


def decide(api: httpx.Client, job: dict[str, Any], index: int, by: str = "anna", **what: Any) -> None:
    body = {"decisions": [{"job_id": job["id"], "index": index, "by": by, **what}]}
    api.post("/v1/decisions", json=body).raise_for_status()


@pytest.fixture
def word() -> str:
    """A word of this test alone: the service and what it remembers are those of other tests, too."""
    return "".join(chr(ord("a") + int(digit, 16)) for digit in uuid4().hex)


def test_a_decided_item_is_neither_asked_nor_answered_otherwise_again(api: httpx.Client, word: str) -> None:
    items: list[dict[str, Any]] = [
        {"id": "pool", "title": f"{word} déjà vu", "description": "tout rond", "image": PICTURE},
        {"id": "other", "title": f"{word} jamais vu"},
    ]
    decide(api, classified(api, *items), 0, category=POOL)
    spelt = {**items[0], "id": "again", "title": f"<b>{word.upper()}</b> deja  vu!"}
    without_picture = {**items[0], "id": "bare", "image": None}
    again = classified(api, spelt, items[1], without_picture, pictures="always")
    pool, other, bare = results(api, again)
    assert (pool["category"]["code"], pool["final"]["code"], pool["decided_by"]) == (POOL, POOL, "memory")
    assert (pool["needs_review"], pool["picture"], pool["category"]["sure"]["code"]) == (False, "not_looked_at", POOL)
    memory = pool["memory"]
    assert (memory["by"], memory["at"], memory["match"]) == ("anna", pool["decided_at"], "same")
    assert pool["branches"] == {"text": None, "image": None, "text_weight": 0.0, "image_weight": 0.0}
    assert (other["decided_by"], other["memory"]) == ("model", None)
    assert (bare["decided_by"], bare["memory"]["match"]) == ("model", "near")
    table = api.get(again["results_url"], params={"format": "csv"}).raise_for_status().text
    (row,) = (row for row in csv.DictReader(table.splitlines()) if row["id"] == "again")
    assert (row["final_code"], row["decided_by"], row["decided_at"]) == (POOL, "memory", pool["decided_at"])
    asked = api.get(f"{again['url']}/items", params={"needs_review": True}).raise_for_status().json()["items"]
    assert "again" not in [item["result"]["id"] for item in asked]


def test_a_decision_that_is_taken_back_is_not_remembered(api: httpx.Client, word: str) -> None:
    item = {"title": word}
    decide(api, classified(api, item), 0, by=word, category=POOL)
    api.post("/v1/decisions/undo", json={"by": word}).raise_for_status()
    assert results(api, classified(api, item))[0]["decided_by"] == "model"


def test_that_no_category_fits_is_remembered_beside_the_models_guess(api: httpx.Client, word: str) -> None:
    item = {"title": word}
    decide(api, classified(api, item), 0, none_of_these=True, note="a trailer")
    (result,) = results(api, classified(api, item))
    assert (result["final"], result["decided_by"], result["needs_review"]) == (None, "memory", False)
    assert (result["memory"]["category"], result["memory"]["note"]) == (None, "a trailer")
    assert result["branches"]["text"] is not None


def test_a_near_copy_is_answered_so_where_the_model_agrees_and_looked_at_where_it_does_not(
    api: httpx.Client, word: str
) -> None:
    small, large = {"title": f"{word} ronde bleue 120 cm"}, {"title": f"{word} ronde rouge 350 cm"}
    before = classified(api, small, large)
    model = results(api, before)[1]["category"]["code"]
    decide(api, before, 0, category=model)
    (agreed,) = results(api, classified(api, large))
    assert (agreed["decided_by"], agreed["needs_review"], agreed["category"]["sure"]["code"]) == (
        "memory",
        False,
        model,
    )
    assert (agreed["memory"]["match"], agreed["memory"]["by"]) == ("near", "anna")
    decide(api, before, 0, category=POOL if model == BOOK else BOOK)
    (asked,) = results(api, classified(api, large))
    assert (asked["decided_by"], asked["needs_review"], asked["category"]["code"]) == ("model", True, model)
    assert asked["memory"]["match"] == "near"


def test_what_people_do_not_agree_on_is_asked_once(api: httpx.Client, word: str) -> None:
    item = {"title": word}
    decide(api, classified(api, item), 0, "anna", category=POOL)
    decide(api, second := classified(api, item), 0, "ben", category=BOOK)
    assert results(api, second)[0]["decided_by"] == "person"
    third = classified(api, item)
    (result,) = results(api, third)
    assert (result["needs_review"], result["category"]["code"], result["category"]["sure"]) == (True, BOOK, None)
    assert [other["code"] for other in result["alternatives"]] == [POOL]
    assert third["open"] == 1
    decide(api, third, 0, "anna", category=POOL)
    (result,) = results(api, classified(api, item))
    assert (result["needs_review"], result["category"]["code"], result["memory"]["by"]) == (False, POOL, "anna")


def test_a_single_prediction_remembers_too_and_an_explanation_asks_the_model(api: httpx.Client, word: str) -> None:
    decide(api, classified(api, {"title": f"{word} ronde"}), 0, category=POOL)
    asked = {"description": f"{word} ronde"}
    assert api.post("/predict", json=asked).raise_for_status().json()["result"]["decided_by"] == "memory"
    explained = api.post("/predict", params={"explain": True}, json=asked).raise_for_status().json()
    assert explained["result"]["decided_by"] == "model"


def test_an_explanation_tells_what_people_decided_about_such_items(api: httpx.Client, word: str) -> None:
    job = classified(api, {"title": f"{word} ronde 120 cm"}, {"title": f"{word} ronde 350 cm"})

    def told(index: int) -> Any:
        return api.get(f"{job['url']}/items/{index}/explanation").raise_for_status().json()["memory"]

    assert told(1) is None
    decide(api, job, 0, category=POOL)
    assert [(told(index)["match"], told(index)["category"]["code"]) for index in (0, 1)] == [
        ("same", POOL),
        ("near", POOL),
    ]


def test_an_explanation_names_the_nearest_decided_items(api: httpx.Client, word: str) -> None:
    job = classified(api, {"title": f"{word} ronde bleue"}, {"title": f"{word} gonflable"})
    decide(api, job, 0, category=POOL)
    asked = {"description": f"{word} ronde de luxe"}
    predicted = api.post("/predict", params={"explain": True}, json=asked).raise_for_status().json()["explanation"]
    why = api.get(f"{job['url']}/items/1/explanation").raise_for_status().json()
    for near in (predicted["nearest"][0], why["nearest"][0]):
        assert (near["title"], near["category"]["code"], near["by"]) == (f"{word} ronde bleue", POOL, "anna")
        assert 0.25 <= near["similarity"] < 1


def test_remembered_answers_do_not_count_for_drift(api: httpx.Client, word: str) -> None:
    def seen() -> int:
        return sum(bundle["week"]["items"] for bundle in api.get("/v1/drift").raise_for_status().json()["bundles"])

    decide(api, classified(api, {"title": word}), 0, category=POOL)
    before = seen()
    classified(api, {"title": word}, {"title": f"{word} nouveau"})
    wait_for("the other item is counted", lambda: seen() > before)
    assert seen() == before + 1
