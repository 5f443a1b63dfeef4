"""Why an item got its answer, through a real queue and a real worker."""

from typing import Any

import httpx
import pytest

from tests.pictures import in_base64, jpeg
from tests.waiting import finished, wait_for

PICTURE = {"base64": in_base64(jpeg("green", (300, 300)))}
ITEMS: list[dict[str, Any]] = [
    {"id": "text", "title": "Console de jeux rétro", "description": "avec <b>deux</b> manettes"},
    {"id": "both", "title": "Piscine", "image": PICTURE},
    {"id": "picture", "image": PICTURE},
    {"id": "broken", "title": "Livre", "image": {"base64": in_base64(b"no picture")}},
]


@pytest.fixture(scope="module")
def job(api: httpx.Client) -> dict[str, Any]:
    body = {"items": ITEMS, "pictures": "always"}
    return finished(api, api.post("/v1/jobs", json=body).raise_for_status().json()["url"])


def explanation(api: httpx.Client, job: dict[str, Any], index: int) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"{job['url']}/items/{index}/explanation").raise_for_status().json()
    return found


def test_the_words_that_carried_the_answer_are_named(api: httpx.Client, job: dict[str, Any]) -> None:
    result = api.get(job["results_url"]).json()["results"][0]
    why = explanation(api, job, 0)
    assert why["category"] == {name: result["category"][name] for name in ("code", "name", "confidence")}
    assert why["runner_up"] == result["alternatives"][0]
    assert why["branches"] == result["branches"]
    assert [word["word"] for word in why["words"]] == ["console", "de", "jeux", "retro", "avec", "deux", "manettes"]
    assert sum(phrase["count"] for phrase in why["phrases"]) <= 2
    for phrase in why["phrases"]:
        words = why["words"][phrase["first"] : phrase["first"] + phrase["count"]]
        assert phrase["text"] == " ".join(word["word"] for word in words)
        assert phrase["effect"] == pytest.approx(sum(word["effect"] for word in words), abs=0.01)
    assert (why["picture"], why["picture_changed_answer"]) == (None, False)
    assert why["bundle"] == result["bundle"]


def test_it_says_what_the_picture_did(api: httpx.Client, job: dict[str, Any]) -> None:
    both, picture = (explanation(api, job, index) for index in (1, 2))
    assert both["picture"] == picture["picture"] == "looked_at"
    changed = both["branches"]["text"]["code"] != both["category"]["code"]
    assert both["picture_changed_answer"] is changed
    assert (picture["words"], picture["phrases"], picture["branches"]["text"]) == ([], [], None)
    assert picture["picture_changed_answer"] is False


def test_a_single_item_is_explained_at_once(api: httpx.Client) -> None:
    asked = {"description": "Console de jeux rétro"}
    plain = api.post("/predict", json=asked).raise_for_status().json()
    assert plain["explanation"] is None
    answer = api.post("/predict", params={"explain": True}, json=asked).raise_for_status().json()
    assert answer["explanation"]["category"]["code"] == str(answer["category_id"])
    assert [word["word"] for word in answer["explanation"]["words"]] == ["console", "de", "jeux", "retro"]


def test_explanations_do_not_count_for_drift(api: httpx.Client, job: dict[str, Any]) -> None:
    def seen() -> int:
        return sum(bundle["week"]["items"] for bundle in api.get("/v1/drift").raise_for_status().json()["bundles"])

    before = seen()
    explanation(api, job, 0)
    api.post("/predict", json={"description": "Livre ancien"}).raise_for_status()
    wait_for("the later item is counted", lambda: seen() > before)
    assert seen() == before + 1


@pytest.mark.parametrize(("index", "status", "kind"), [(3, 409, "nothing-to-explain"), (4, 404, "item-not-found")])
def test_what_has_no_answer_is_not_explained(
    api: httpx.Client, job: dict[str, Any], index: int, status: int, kind: str
) -> None:
    refused = api.get(f"{job['url']}/items/{index}/explanation")
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (status, kind)
    assert "item" in refused.json()["detail"].lower()


def test_the_jobs_behind_explanations_are_not_listed(api: httpx.Client, job: dict[str, Any]) -> None:
    newest = api.get("/v1/jobs", params={"limit": 1}).json()["jobs"][0]["id"]
    explanation(api, job, 0)
    assert api.get("/v1/jobs", params={"limit": 1}).json()["jobs"][0]["id"] == newest
