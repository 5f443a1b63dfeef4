"""Bulk jobs over HTTP, through a real queue and a real worker."""

import csv
import json
from typing import Any

import httpx
import pytest

from stack.receiver import WebhookReceiver
from stack.services import Stack
from tests.conftest import Trained
from tests.pictures import in_base64, jpeg
from tests.rakuten import CODES
from tests.waiting import finished

PICTURE = {"base64": in_base64(jpeg("green", (300, 300)))}


def _results(api: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    page = api.get(job["results_url"]).raise_for_status().json()
    assert page["complete"]
    return {result["id"]: result for result in page["results"]}


def _submit(api: httpx.Client, items: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    response = api.post("/v1/jobs", json={"items": items, **more})
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()
    assert response.headers["Location"] == job["url"]
    return job


def test_texts_and_pictures_are_classified_with_their_branches(api: httpx.Client) -> None:
    items: list[dict[str, Any]] = [
        {"id": "both", "title": "Piscine gonflable ronde", "image": PICTURE},
        {"id": "text", "title": "Piscine gonflable ronde"},
        {"id": "image", "image": PICTURE},
    ]
    job = finished(api, _submit(api, items)["url"])
    assert job["state"] == "completed"
    found = _results(api, job)
    unsure = sum(result["needs_review"] for result in found.values())
    assert job["counts"] == {
        "total": 3, "pending": 0, "succeeded": 3, "failed": 0, "invalid": 0, "cancelled": 0, "expired": 0,
        "needs_review": unsure,
    }  # fmt: skip
    bundle = api.get("/health").json()["bundles"][0]
    for name, branches in {"both": (True, True), "text": (True, False), "image": (False, True)}.items():
        result = found[name]
        assert result["category"]["code"] in CODES
        assert result["category"]["name"]
        assert 0 < result["category"]["confidence"] <= 1
        assert len(result["alternatives"]) == 3
        assert result["bundle"] == result["model_version"] == bundle
        said = result["branches"]
        assert (said["text"] is not None, said["image"] is not None) == branches
        assert said["text_weight"] + said["image_weight"] == pytest.approx(1, abs=1e-3)


def test_results_below_the_threshold_need_review(api: httpx.Client, trained: Trained) -> None:
    review = trained.bundle.manifest.review
    titles = ["Piscine gonflable ronde", "Lampe", "zzz", "Livre ancien", "Console de jeux rétro", "Poupée en bois"]
    items: list[dict[str, Any]] = [{"id": title, "title": title} for title in titles]
    items += [{"id": "image", "image": PICTURE}, {"id": "bad", "image": {"base64": in_base64(b"?")}}]
    job = finished(api, _submit(api, items)["url"])
    found = _results(api, job)
    assert found.pop("bad")["needs_review"] is None
    unsure = {name for name, result in found.items() if result["needs_review"]}
    assert unsure == {name for name, result in found.items() if review.needs_review(result["category"]["confidence"])}
    assert job["counts"]["needs_review"] == len(unsure)
    lines = [json.loads(line) for line in api.get(job["results_url"], params={"format": "ndjson"}).text.splitlines()]
    assert {line["id"] for line in lines if line["needs_review"]} == unsure
    table = csv.DictReader(api.get(job["results_url"], params={"format": "csv"}).text.splitlines())
    assert {row["id"]: row["needs_review"] for row in table} == {
        name: "true" if name in unsure else "false" for name in found
    } | {"bad": ""}


def test_a_picture_that_cannot_be_read_fails_alone(api: httpx.Client) -> None:
    items: list[dict[str, Any]] = [
        {"id": "good", "image": PICTURE},
        {"id": "bad", "title": "Chaise", "image": {"base64": in_base64(b"no picture")}},
        {"id": "cut", "image": {"base64": in_base64(jpeg("red", (200, 200))[:300])}},
        {"id": "blank", "title": "!!! ???"},
    ]
    job = finished(api, _submit(api, items)["url"])
    assert job["state"] == "partial"
    assert (job["counts"]["succeeded"], job["counts"]["failed"]) == (1, 3)
    found = _results(api, job)
    assert found["good"]["status"] == "succeeded"
    errors = {name: found[name]["error"]["code"] for name in ("bad", "cut", "blank")}
    assert errors == {"bad": "image_unreadable", "cut": "image_unreadable", "blank": "nothing_to_classify"}
    assert "and no JPEG" in found["bad"]["error"]["message"]


def test_job_with_only_unreadable_pictures_fails(api: httpx.Client) -> None:
    job = finished(api, _submit(api, [{"image": {"base64": in_base64(b"?")}}])["url"])
    assert job["state"] == "failed"


def test_ndjson_is_taken_as_a_stream_in_many_chunks(api: httpx.Client) -> None:
    total = 1500
    lines = (json.dumps({"id": f"sku-{i}", "title": f"Lampe numéro {i}"}).encode() + b"\n" for i in range(total))
    response = api.post("/v1/jobs", content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert response.status_code == 202
    job = finished(api, response.json()["url"])
    assert job["counts"]["succeeded"] == total
    rows = api.get(job["results_url"], params={"format": "ndjson"}).text.splitlines()
    assert {json.loads(row)["id"] for row in rows} == {f"sku-{i}" for i in range(total)}
    table = api.get(job["results_url"], params={"format": "csv"})
    assert table.headers["content-type"].startswith("text/csv")
    assert len(table.text.splitlines()) == total + 1


def test_results_come_in_pages_behind_a_cursor(api: httpx.Client) -> None:
    job = finished(api, _submit(api, [{"id": str(i), "title": "Livre"} for i in range(25)])["url"])
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 10} | ({"cursor": cursor} if cursor else {})
        page = api.get(job["results_url"], params=query).json()
        seen += [result["id"] for result in page["results"]]
        cursor = page["next_cursor"]
        if page["complete"]:
            break
    assert sorted(seen, key=int) == [str(i) for i in range(25)]
    assert api.get(job["results_url"], params={"cursor": "nonsense"}).status_code == 400


def test_multipart_takes_a_table_with_its_pictures(api: httpx.Client) -> None:
    table = "id,title,description,image\na,Console,,a.jpg\nb,Jeu,Un <b>jeu</b>,\n"
    files = {"items": ("items.csv", table.encode(), "text/csv"), "images": ("a.jpg", jpeg("blue"), "image/jpeg")}
    response = api.post("/v1/jobs", files=files)
    assert response.status_code == 202, response.text
    found = _results(api, finished(api, response.json()["url"]))
    assert found["a"]["branches"]["image"] is not None
    assert found["b"]["branches"]["image"] is None


def test_multipart_takes_ndjson_that_names_files(api: httpx.Client) -> None:
    files = {"images": ("p.jpg", jpeg(), "image/jpeg")}
    response = api.post("/v1/jobs", files=files, data={"items": '{"id": "p", "image": {"file": "p.jpg"}}'})
    assert finished(api, response.json()["url"])["counts"]["succeeded"] == 1


def test_a_picture_is_fetched_by_url(api: httpx.Client, picture_site: str) -> None:
    items = [{"id": name, "image": {"url": f"{picture_site}/{name}"}} for name in ("there.jpg", "missing.jpg")]
    found = _results(api, finished(api, _submit(api, items)["url"]))
    assert found["there.jpg"]["status"] == "succeeded"
    assert found["missing.jpg"]["error"]["code"] == "image_unreachable"
    assert "404" in found["missing.jpg"]["error"]["message"]


def test_every_wrong_item_is_named_and_nothing_is_accepted(api: httpx.Client) -> None:
    items = [
        {"id": "fine", "title": "Livre"},
        {"id": "empty"},
        {"id": "fine", "title": "again"},
        {"id": "pic", "image": {"base64": "%%%"}},
        {"id": "ftp", "image": {"url": "ftp://example.com/x"}},
        {"id": "two", "image": {"base64": "eA==", "url": "https://example.com"}},
        {"id": "extra", "title": "x", "colour": "red"},
        "no object",
    ]
    response = api.post("/v1/jobs", json={"items": items})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["type"] == "urn:rakuten-catalog:problem:invalid-items"
    assert "7 of 8 items are invalid" in problem["detail"]
    pointers = [error["pointer"] for error in problem["errors"]]
    assert pointers == [
        "/items/1", "/items/2/id", "/items/3/image/base64", "/items/4/image/url", "/items/5/image",
        "/items/6/colour", "/items/7",
    ]  # fmt: skip
    assert [error["id"] for error in problem["errors"][:3]] == ["empty", "fine", "pic"]


def test_wrong_line_of_a_body_is_named(api: httpx.Client) -> None:
    headers = {"Content-Type": "application/x-ndjson"}
    response = api.post("/v1/jobs", content=b'{"id": "a", "title": "A"}\n\n{"id": "b"}\n', headers=headers)
    assert response.status_code == 422
    detail = "an item needs a title, a description or an image"
    expected = {"index": 1, "pointer": "", "code": "value_error", "detail": detail, "line": 3, "id": "b"}
    assert response.json()["errors"] == [expected]
    response = api.post("/v1/jobs", content=b'{"id": "a", "title": "A"}\n{oops\n', headers=headers)
    assert response.status_code == 400
    assert response.json()["line"] == 2


@pytest.mark.parametrize(
    ("content", "media_type", "status", "kind"),
    [
        (b"{", "application/json", 400, "malformed-body"),
        (b'{"things": []}', "application/json", 400, "malformed-body"),
        (b'{"items": [], "typo": 1}', "application/json", 400, "malformed-body"),
        (b'{"items": 3}', "application/json", 400, "malformed-body"),
        (b'{"items": []}', "application/json", 422, "no-items"),
        (b"", "application/x-ndjson", 422, "no-items"),
        (b"[" * 100_000, "application/json", 400, "malformed-body"),
        (b"[" * 100_000, "application/x-ndjson", 400, "malformed-body"),
        (b'{"items": [{"title": "\\ud800"}]}', "application/json", 422, "invalid-items"),
        (b'{"items": [{"id": "\\udfff", "title": "x", "odd": 1}]}', "application/json", 422, "invalid-items"),
        (b'{"items": [], "\\udfff": 1}', "application/json", 400, "malformed-body"),
        ('{"items": [{"image": {"base64": "é"}}]}'.encode(), "application/json", 422, "invalid-items"),
        (b"a,b\n1,2\n", "text/csv", 400, "malformed-body"),
        (b"\xff\xfe", "text/csv", 400, "malformed-body"),
        (b"<x/>", "application/xml", 415, "unsupported-media-type"),
    ],
)
def test_malformed_job_is_a_problem_document(
    api: httpx.Client, content: bytes, media_type: str, status: int, kind: str
) -> None:
    response = api.post("/v1/jobs", content=content, headers={"Content-Type": media_type})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"].endswith(kind)


def test_an_unknown_job_is_a_problem_document(api: httpx.Client) -> None:
    for response in (api.get("/v1/jobs/nope"), api.get("/v1/jobs/nope/results"), api.post("/v1/jobs/nope/cancel")):
        assert response.status_code == 404
        assert response.json()["type"].endswith("job-not-found")
    assert api.get("/nowhere").json()["status"] == 404


@pytest.mark.parametrize("part", ["input", "results", "committed", "done"])
def test_job_id_cannot_address_other_redis_keys(api: httpx.Client, part: str) -> None:
    job = finished(api, _submit(api, [{"title": "Livre"}])["url"])
    assert api.get(f"{job['url']}:{part}").status_code == 404


def test_a_cancelled_job_ends_at_once_with_counts_that_add_up(api: httpx.Client, stack: Stack) -> None:
    items = [{"id": str(i), "title": f"t{i}"} for i in range(20_000)]  # seconds, however slow the client is
    with WebhookReceiver(stack.webhook_secret) as receiver:
        job = _submit(api, items, webhook_url=receiver.url)
        cancelled = api.post(f"{job['url']}/cancel").json()
        event = receiver.received.get(timeout=30)
    assert cancelled["state"] == "cancelled"
    assert cancelled["counts"]["pending"] == 0
    assert cancelled["counts"]["cancelled"] > 0
    assert event["type"] == "job.cancelled"
    assert finished(api, job["url"])["counts"] == cancelled["counts"]
    assert api.post(f"{job['url']}/cancel").json()["counts"] == cancelled["counts"]


def test_the_api_describes_itself_offline(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    bodies = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]
    name = bodies["application/x-ndjson"]["schema"]["$ref"].removeprefix("#/components/schemas/")
    assert "title" in document["components"]["schemas"][name]["properties"]
    page = api.get("/docs").text
    assert "://" not in page.split("url: ")[0]
    script = page.split('src="')[1].split('"')[0]
    assert api.get(script).status_code == 200
