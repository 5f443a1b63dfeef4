"""A job's items and pictures as people look at them. No worker runs: answers are committed to the ledger."""

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from redis import Redis

from shared.ledger import Guess, Ledger, Outcome
from shared.settings import Settings
from shared.tenants.api_keys import KeyStore, Scope
from tests.http import client_of, local_client
from tests.jobs import leased
from tests.pictures import in_base64, jpeg
from tests.redis_state import expire_results

BOOK, CARDS = "10", "1160"
PICTURE = jpeg("purple")


@pytest.fixture
def started(redis_port: int, redis: Redis, tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    clients = list[TestClient]()

    def start(**more: Any) -> TestClient:
        url = f"redis://127.0.0.1:{redis_port}"
        settings = {"redis_url": f"{url}/0", "broker_url": f"{url}/1", "blob_url": tmp_path.as_uri(), **more}
        client = local_client(Settings(confirm_on_disk=False, **settings))
        clients.append(client)
        return client.__enter__()

    yield start
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def api(started: Callable[..., TestClient]) -> TestClient:
    return started()


def classified(api: TestClient, ledger: Ledger, items: list[dict[str, Any]], *answers: tuple[str, float]) -> str:
    """A job whose items were answered so; those with less than 0.8 need a review."""
    job = str(api.post("/v1/jobs", json={"items": items}).raise_for_status().json()["id"])
    while (lease := ledger.lease("interactive")) is not None:
        ledger.commit(lease, "one", [_outcome(item.index, item.id, *answers[item.index]) for item in lease.items])
    return job


def _outcome(index: int, identifier: str, code: str, confidence: float) -> Outcome:
    best = Guess(code, confidence)
    return Outcome(index, identifier, guesses=(best,), needs_review=confidence < 0.8, text=best)


def page(api: TestClient, job: str, **query: Any) -> list[str]:
    """The ids on the first page."""
    found = api.get(f"/v1/jobs/{job}/items", params=query).raise_for_status().json()
    return [item["result"]["id"] for item in found["items"]]


def test_an_item_has_what_was_sent_beside_its_result(api: TestClient, ledger: Ledger) -> None:
    items = [
        {"id": "a/b", "title": "Livre", "description": "ancien", "image": {"base64": in_base64(PICTURE)}},
        {"id": "c", "title": "Cartes", "image": {"url": "https://shop.example/c.jpg"}, "metadata": {"Réf": "007"}},
    ]
    job = classified(api, ledger, items, (BOOK, 0.9), (CARDS, 0.5))
    found = api.get(f"/v1/jobs/{job}/items").raise_for_status().json()
    results = api.get(f"/v1/jobs/{job}/results").json()["results"]
    assert [result["metadata"] for result in results] == [None, {"Réf": "007"}]
    assert found == {
        "job_id": job,
        "state": "completed",
        "items": [
            {
                "title": "Livre",
                "description": "ancien",
                "image_url": None,
                "picture_url": f"/v1/jobs/{job}/items/0/picture",
                "kept": True,
                "decision": None,
                "result": results[0],
            },
            {
                "title": "Cartes",
                "description": None,
                "image_url": "https://shop.example/c.jpg",
                "picture_url": None,
                "kept": True,
                "decision": None,
                "result": results[1],
            },
        ],
        "next_cursor": None,
    }


def test_items_are_chosen_and_ordered(api: TestClient, ledger: Ledger) -> None:
    items = [{"id": name, "title": f"Épée {name}"} for name in "abcd"]
    job = classified(api, ledger, items, (BOOK, 0.9), (CARDS, 0.5), ("1180", 0.7), (BOOK, 0.3))
    assert page(api, job) == ["a", "b", "c", "d"]
    assert page(api, job, order="least_sure") == ["d", "b", "c", "a"]
    assert page(api, job, needs_review=True, order="committed") == ["b", "c", "d"]
    assert page(api, job, needs_review=False, status=["succeeded", "failed"]) == ["a"]
    assert page(api, job, status="failed") == []
    assert page(api, job, min_confidence=0.5, max_confidence=0.7) == ["b", "c"]
    assert page(api, job, q="EPEE c") == ["c"]
    assert page(api, job, bundle="another") == []
    assert page(api, job, category=CARDS) == ["b"]
    assert page(api, job, category="no such category") == []
    tree = api.get("/v1/taxonomy").json()["categories"]
    parent = next(category["parent"] for category in tree if category["code"] == CARDS)
    below = {category["code"] for category in tree if category["parent"] == parent}
    assert page(api, job, category=parent) == [
        name for name, code in zip("abcd", (BOOK, CARDS, "1180", BOOK), strict=True) if code in below
    ]
    first = api.get(f"/v1/jobs/{job}/items", params={"limit": 3}).json()
    assert page(api, job, cursor=first["next_cursor"]) == ["d"]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 201},
        {"order": "newest"},
        {"status": "done"},
        {"min_confidence": -0.1},
        {"max_confidence": 1.1},
        {"needs_review": "perhaps"},
        {"q": "x" * 201},
    ],
)
def test_a_wrong_parameter_is_named(api: TestClient, ledger: Ledger, query: dict[str, Any]) -> None:
    job = classified(api, ledger, [{"title": "x"}], (BOOK, 0.9))
    answer = api.get(f"/v1/jobs/{job}/items", params=query)
    assert (answer.status_code, [e["pointer"].split("/")[2] for e in answer.json()["errors"]]) == (422, [*query])


def test_a_cursor_of_another_order_is_refused(api: TestClient, ledger: Ledger) -> None:
    job = classified(api, ledger, [{"title": "x"}, {"title": "y"}], (BOOK, 0.9), (BOOK, 0.9))
    cursor = api.get(f"/v1/jobs/{job}/items", params={"limit": 1}).json()["next_cursor"]
    answer = api.get(f"/v1/jobs/{job}/items", params={"cursor": cursor, "order": "least_sure"})
    assert (answer.status_code, answer.json()["type"].split(":")[-1]) == (400, "unknown-cursor")


def test_without_kept_inputs_the_results_are_there_alone(started: Callable[..., TestClient], ledger: Ledger) -> None:
    api = started(keep_inputs=False)
    job = classified(api, ledger, [{"title": "x", "image": {"base64": in_base64(PICTURE)}}], (BOOK, 0.9))
    (item,) = api.get(f"/v1/jobs/{job}/items").json()["items"]
    assert {name: value for name, value in item.items() if name != "result"} == {
        "title": None,
        "description": None,
        "image_url": None,
        "picture_url": None,
        "kept": False,
        "decision": None,
    }
    assert _problem(api, f"/v1/jobs/{job}/items/0/picture") == (404, "no-picture")


def test_a_picture_comes_as_it_was_sent_and_is_not_sent_twice(api: TestClient, ledger: Ledger) -> None:
    job = classified(api, ledger, [{"image": {"base64": in_base64(PICTURE)}}], (BOOK, 0.9))
    answer = api.get(f"/v1/jobs/{job}/items/0/picture")
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, PICTURE, "image/jpeg")
    assert answer.headers["Cache-Control"].startswith("private, max-age=")
    again = api.get(f"/v1/jobs/{job}/items/0/picture", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_thumbnail_is_another_picture_to_caches(api: TestClient, ledger: Ledger) -> None:
    large = jpeg(size=(600, 400))
    job = classified(api, ledger, [{"image": {"base64": in_base64(large)}}], (BOOK, 0.9))
    url = f"/v1/jobs/{job}/items/0/picture"
    whole, small, same = (api.get(url, params=asked).raise_for_status() for asked in ({}, {"size": 64}, {"size": 600}))
    with Image.open(io.BytesIO(small.content)) as seen:
        assert (seen.size, small.headers["Content-Type"]) == ((64, 43), "image/jpeg")
    assert whole.content == same.content == large
    assert len({answer.headers["ETag"] for answer in (whole, small, same)}) == 3
    again = api.get(url, params={"size": 64}, headers={"If-None-Match": small.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert _problem(api, f"{url}?size=5000") == (422, "invalid-request")


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><script>alert(1)</script>",
        b"%PDF-1.7",
        b"\x89PNG and something else",
    ],
)
def test_what_a_browser_could_run_is_bytes(api: TestClient, ledger: Ledger, content: bytes) -> None:
    sent = {"image": {"base64": base64.b64encode(content).decode()}}
    job = classified(api, ledger, [sent], (BOOK, 0.9))
    answer = api.get(f"/v1/jobs/{job}/items/0/picture").raise_for_status()
    assert (answer.content, answer.headers["Content-Type"]) == (content, "application/octet-stream")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_picture_that_is_not_there_is_a_problem_that_says_why(
    api: TestClient, ledger: Ledger, tmp_path: Path
) -> None:
    items: list[dict[str, Any]] = [{"title": "x"}, {"title": "y", "image": {"url": "https://shop.example/y.jpg"}}]
    job = classified(api, ledger, [*items, {"image": {"base64": in_base64(PICTURE)}}], *[(BOOK, 0.9)] * 3)
    assert _problem(api, f"/v1/jobs/{job}/items/0/picture") == (404, "no-picture")
    assert _problem(api, f"/v1/jobs/{job}/items/1/picture") == (404, "no-picture")
    assert _problem(api, f"/v1/jobs/{job}/items/3/picture") == (404, "item-not-found")
    assert _problem(api, f"/v1/jobs/{job}/items/x/picture") == (422, "invalid-request")
    for stored in [path for path in tmp_path.rglob("*") if path.is_file()]:
        stored.unlink()
    assert _problem(api, f"/v1/jobs/{job}/items/2/picture") == (404, "no-picture")
    for folder in tmp_path.iterdir():
        folder.rmdir()
        folder.write_text("in the way")
    assert _problem(api, f"/v1/jobs/{job}/items/2/picture") == (503, "store-unavailable")


def test_items_and_pictures_are_the_tenants_own(api: TestClient, ledger: Ledger, redis: Redis) -> None:
    keys = KeyStore(redis)
    one, other, trainer = (
        client_of(api.app, key=keys.create(tenant, {scope})[1])  # type: ignore[arg-type]
        for tenant, scope in (("one", Scope.CLASSIFY), ("other", Scope.CLASSIFY), ("one", Scope.TRAIN))
    )
    job = classified(one, ledger, [{"image": {"base64": in_base64(PICTURE)}}], (BOOK, 0.9))
    for path in (f"/v1/jobs/{job}/items", f"/v1/jobs/{job}/items/0/picture"):
        assert one.get(path).status_code == 200
        assert _problem(other, path) == (404, "job-not-found")
        assert trainer.get(path).status_code == 403


def test_items_are_gone_with_the_results(api: TestClient, ledger: Ledger, redis: Redis) -> None:
    job = classified(api, ledger, [{"image": {"base64": in_base64(PICTURE)}}], (BOOK, 0.9))
    expire_results(redis, job)
    for path in (f"/v1/jobs/{job}/items", f"/v1/jobs/{job}/items/0/picture"):
        assert _problem(api, path) == (410, "results-expired")


def test_a_running_job_shows_what_is_done(api: TestClient, ledger: Ledger) -> None:
    items = [{"id": str(index), "title": "x"} for index in range(300)]
    job = api.post("/v1/jobs", json={"items": items}).json()["id"]
    lease = leased(ledger)
    ledger.commit(lease, "one", [_outcome(item.index, item.id, BOOK, 0.9) for item in lease.items])
    found = api.get(f"/v1/jobs/{job}/items", params={"limit": 200}).json()
    assert (len(found["items"]), found["state"]) == (200, "running")
    rest = api.get(f"/v1/jobs/{job}/items", params={"limit": 200, "cursor": found["next_cursor"]}).json()
    assert len(rest["items"]) == len(lease.items) - 200
    assert rest["next_cursor"] is not None


def _problem(api: TestClient, path: str) -> tuple[int, str]:
    answer = api.get(path)
    return answer.status_code, answer.json()["type"].split(":")[-1]
