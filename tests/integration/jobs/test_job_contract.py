"""What a job promises over HTTP. The test plays the worker, on the same ledger: so it decides what is done when."""

import csv
import io
import json
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr
from redis import Redis

from api.items.schemas import ItemIn
from shared.ledger import Ledger
from shared.settings import Settings
from shared.stores.blobs import blob_name
from shared.tenants.api_keys import KeyStore, Scope
from tests.http import client_of, local_client
from tests.jobs import outcomes_of
from tests.pictures import in_base64, jpeg
from tests.redis_state import expire_results, job_keys, pass_deadline, take_fingerprint_of_bytes
from tests.unit.api.bodies import zipped

INTERACTIVE = "interactive"
ITEMS = [{"id": f"sku-{i}", "title": f"Livre {i}"} for i in range(3)]


@pytest.fixture
def settings(redis_port: int, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    url = f"redis://127.0.0.1:{redis_port}"
    return Settings(
        redis_url=f"{url}/0",
        broker_url=f"{url}/1",
        blob_url=tmp_path_factory.mktemp("blobs").as_uri(),
        webhook_secrets=(SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),),
        max_queued_items=20,
        confirm_on_disk=False,
    )


@pytest.fixture
def api(settings: Settings, redis: Redis) -> Iterator[httpx.Client]:
    with local_client(settings) as client:
        yield client


def _submit(api: httpx.Client, items: list[dict[str, Any]] | None = None, key: str | None = None, **more: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    response = api.post("/v1/jobs", json={"items": items or ITEMS, **more}, headers=headers)
    assert response.status_code == 202, response.text
    return response.json()


def _work(ledger: Ledger, failing: int = 0, lane: str = INTERACTIVE) -> None:
    lease = ledger.lease(lane)
    assert lease is not None
    ledger.commit(lease, "v1", outcomes_of(lease, failing))


def _kind(response: httpx.Response) -> str:
    assert response.headers["content-type"] == "application/problem+json"
    return str(response.json()["type"]).rsplit(":", 1)[-1]


# Idempotency


def test_idempotency_key_replays_the_first_answer_in_any_state_of_the_job(api: httpx.Client, ledger: Ledger) -> None:
    body, headers = {"items": ITEMS}, {"Idempotency-Key": "order 17"}
    first = api.post("/v1/jobs", json=body, headers=headers)
    _work(ledger, failing=1)
    again = api.post("/v1/jobs", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert ledger.lease(INTERACTIVE) is None, "there is one job"


@pytest.mark.parametrize("what", ["body", "query"])
def test_idempotency_key_with_another_request_is_refused(api: httpx.Client, what: str) -> None:
    line, headers = b'{"title": "Livre"}\n', {"Idempotency-Key": "k", "Content-Type": "application/x-ndjson"}
    assert api.post("/v1/jobs", content=line, headers=headers).status_code == 202
    other = api.post(
        "/v1/jobs",
        content=b'{"title": "Lampe"}\n' if what == "body" else line,
        params={"deadline_s": "60"} if what == "query" else {},
        headers=headers,
    )
    assert (other.status_code, _kind(other)) == (422, "idempotency-key-reused")


def test_idempotency_key_with_a_body_that_cannot_be_read_is_told_why(api: httpx.Client) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/x-ndjson"}
    assert api.post("/v1/jobs", content=b'{"title": "Livre"}\n', headers=headers).status_code == 202
    other = api.post("/v1/jobs", content=b'{"title": "Liv', headers=headers)
    assert (other.status_code, _kind(other)) == (400, "malformed-body")


def test_idempotency_key_ignores_how_an_upload_is_packed(api: httpx.Client) -> None:
    """httpx chooses another boundary for each request."""

    def upload(title: str, *, year: int, table_first: bool) -> httpx.Response:
        parts = [
            ("items", ("items.csv", f"id,title,image\na,{title},a.jpg\n".encode(), "text/csv")),
            ("images", ("pictures.zip", zipped([("a.jpg", b"jpeg")], year=year), "application/zip")),
        ]
        return api.post("/v1/jobs", files=parts[:: 1 if table_first else -1], headers={"Idempotency-Key": "k"})

    first = upload("Livre", year=2025, table_first=True)
    again = upload("Livre", year=2026, table_first=False)
    assert first.request.headers["content-type"] != again.request.headers["content-type"]
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.content == again.content
    assert again.headers["Idempotency-Replayed"] == "true"
    other = upload("Lampe", year=2025, table_first=True)
    assert (other.status_code, _kind(other)) == (422, "idempotency-key-reused")


def test_idempotency_key_of_an_earlier_release_still_leads_to_its_job(api: httpx.Client, redis: Redis) -> None:
    """Its fingerprint was taken of the bytes, and cannot be compared."""
    job = _submit(api, key="k")
    take_fingerprint_of_bytes(redis)
    assert _submit(api, key="k") == job


def test_idempotency_key_of_a_refused_request_can_be_used_again(api: httpx.Client) -> None:
    headers = {"Idempotency-Key": "k"}
    assert api.post("/v1/jobs", json={"items": [{"id": "a"}]}, headers=headers).status_code == 422
    assert api.post("/v1/jobs", json={"items": ITEMS}, headers=headers).status_code == 202


@pytest.mark.parametrize("key", ["", " ", "é", "x" * 256, "a\tb"])
def test_malformed_idempotency_key_is_refused(api: httpx.Client, key: str) -> None:
    response = api.post("/v1/jobs", json={"items": ITEMS}, headers={b"Idempotency-Key": key.encode()})
    assert (response.status_code, _kind(response)) == (400, "malformed-idempotency-key")


# Invalid items


def test_invalid_items_are_skipped_on_request_and_each_is_a_result(api: httpx.Client, ledger: Ledger) -> None:
    lines = b'{"id": "a", "title": "A"}\n\n{"id": "b"}\n{"id": "c", "title": "C", "colour": 1, "size": 2}\n'
    headers = {"Content-Type": "application/x-ndjson"}
    response = api.post("/v1/jobs", params={"on_invalid": "skip"}, content=lines, headers=headers)
    job = response.json()
    assert (job["counts"]["total"], job["counts"]["invalid"], job["counts"]["pending"]) == (3, 2, 1)
    _work(ledger)
    assert api.get(job["url"]).json()["state"] == "partial"
    found = api.get(job["results_url"], params={"status": "invalid"}).json()["results"]
    assert [(result["id"], result["index"], result["error"]["line"]) for result in found] == [("b", 1, 3), ("c", 2, 4)]
    assert found[1]["error"] == {
        "code": "invalid_item",
        "message": "Extra inputs are not permitted; Extra inputs are not permitted",
        "pointer": "/colour",
        "line": 4,
    }
    assert found[0]["bundle"] is None


def test_ids_come_back_as_they_were_sent(api: httpx.Client, ledger: Ledger) -> None:
    sent = ["SKU 1  ", "SKU 1", " SKU 2", "\u00a0x"]
    job = api.post("/v1/jobs", json={"items": [{"id": name, "title": "Lampe"} for name in sent]}).json()
    _work(ledger)
    assert [result["id"] for result in api.get(job["results_url"]).json()["results"]] == sent
    refused = api.post("/v1/jobs", json={"items": [{"id": "  ", "title": "Lampe"}]})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/items/0/id")


def test_too_long_csv_cell_is_an_error_of_its_item(api: httpx.Client) -> None:
    table = b"id,title\na,A\nb," + b"x" * 140_000 + b"\n"
    response = api.post("/v1/jobs", content=table, headers={"Content-Type": "text/csv"})
    (error,) = response.json()["errors"]
    assert (error["id"], error["line"], error["pointer"], error["code"]) == ("b", 3, "/title", "string_too_long")


def test_a_data_url_is_kept_as_a_picture_and_its_error_names_item_and_field(api: httpx.Client, ledger: Ledger) -> None:
    picture = "data:image/jpeg;base64,/9j/"
    wrong = api.post("/v1/jobs", json={"items": [ITEMS[0], {"id": "b", "image": {"url": "data:image/png;base64,!"}}]})
    (error,) = wrong.json()["errors"]
    assert (error["id"], error["pointer"], error["code"]) == ("b", "/items/1/image/url", "not_base64")
    in_table = api.post("/v1/jobs", content=f'id,image\n1,"{picture}"\n', headers={"Content-Type": "text/csv"})
    _submit(api, [{"id": "1", "image": {"url": picture}}])
    assert in_table.status_code == 202
    for _ in range(2):
        lease = ledger.lease(INTERACTIVE)
        assert lease is not None
        assert [(item.blob, item.url) for item in lease.items] == [(blob_name(b"\xff\xd8\xff"), None)]


def test_job_with_only_invalid_items_is_refused_even_with_skip(api: httpx.Client) -> None:
    response = api.post("/v1/jobs", json={"items": [{"id": "a"}], "on_invalid": "skip"})
    assert (response.status_code, _kind(response)) == (422, "invalid-items")


def test_the_first_of_very_many_invalid_items_are_named_and_the_others_counted(api: httpx.Client) -> None:
    problem = api.post("/v1/jobs", json={"items": [{"id": str(i)} for i in range(5000)]}).json()
    assert [error["id"] for error in problem["errors"]] == [str(i) for i in range(1000)]
    assert problem["not_listed"] == 4000
    assert "4,000 more" in problem["detail"]


def test_each_of_very_many_skipped_items_has_a_result(api: httpx.Client) -> None:
    items = [{"id": "right", "title": "Livre"}, *({"id": str(i)} for i in range(5000))]
    job = api.post("/v1/jobs", json={"items": items, "on_invalid": "skip"}).json()
    assert job["counts"]["invalid"] == 5000
    lines = api.get(job["results_url"], params={"format": "ndjson", "status": "invalid"}).text.splitlines()
    results = [json.loads(line) for line in lines]
    assert [result["id"] for result in results] == [str(i) for i in range(5000)]
    assert {result["error"]["code"] for result in results} == {"invalid_item"}


def test_an_item_of_very_many_members_is_named_at_once(api: httpx.Client) -> None:
    many = {f"member{number}": 1 for number in range(300)}
    items = [{"id": "a", "title": "Livre", **many}, {"id": "b", "image": many}]
    first, second = api.post("/v1/jobs", json={"items": items}).json()["errors"]
    assert (first["pointer"], first["code"], first["detail"]) == (
        "/items/0",
        "too_many_members",
        "there are 302 members, over 20",
    )
    assert (second["pointer"], second["id"]) == ("/items/1/image", "b")


def test_very_many_wrong_parameters_are_counted(api: httpx.Client) -> None:
    query = "&".join(f"unknown{number}=1" for number in range(300))
    problem = api.post(f"/v1/jobs?{query}", json={"items": ITEMS}).json()
    assert len(problem["errors"]) == 100
    assert problem["detail"].endswith("and 200 more")


def test_items_are_read_and_checked_off_the_servers_event_loop(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    check = ItemIn.model_validate

    def observed(*arguments: Any, **more: Any) -> ItemIn:
        threads.add(threading.current_thread().name)
        return check(*arguments, **more)

    monkeypatch.setattr(ItemIn, "model_validate", observed)
    _submit(api)
    assert threads == {"reading"}


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"deadline_s": -1}, "invalid-request"),
        ({"deadline_s": "soon"}, "invalid-request"),
        ({"deadline_s": 10**9}, "deadline-too-late"),
        ({"error_budget": 101}, "invalid-request"),
        ({"on_invalid": "ignore"}, "invalid-request"),
        ({"webhook_url": "http://169.254.169.254/latest"}, "forbidden-address"),
        ({"webhook_url": "https://localhost/hook"}, "forbidden-address"),
    ],
)
def test_wrong_option_is_named_in_query_body_and_form(
    api: httpx.Client, options: dict[str, Any], kind: str, redis: Redis
) -> None:
    in_body = api.post("/v1/jobs", json={"items": ITEMS, **options})
    in_query = api.post("/v1/jobs", json={"items": ITEMS}, params=options)
    assert (in_body.status_code, in_query.status_code) == (422, 422)
    assert _kind(in_body) == _kind(in_query) == kind
    assert next(iter(options)) in in_body.json()["detail"]
    assert job_keys(redis) == []


# Its end


def test_a_job_ends_at_its_deadline(api: httpx.Client, ledger: Ledger, redis: Redis) -> None:
    job = _submit(api, deadline_s=100)
    assert 0 < _seconds(job["deadline_at"]) - _seconds(job["created_at"]) <= 100
    pass_deadline(redis, job["id"])
    ledger.expire()
    ended = api.get(job["url"]).json()
    assert (ended["state"], ended["reason"], ended["counts"]["expired"]) == ("expired", "deadline", 3)
    results = api.get(job["results_url"]).json()
    assert {result["status"] for result in results["results"]} == {"expired"}
    assert results["complete"]


def test_a_job_over_its_error_budget_fails(api: httpx.Client, ledger: Ledger) -> None:
    job = _submit(api, error_budget=50)
    _work(ledger, failing=2)
    ended = api.get(job["url"]).json()
    assert (ended["state"], ended["reason"], ended["error_budget"]) == ("failed", "error_budget", 50)


def test_job_has_a_time_for_each_state(api: httpx.Client, ledger: Ledger) -> None:
    job = _submit(api)
    _work(ledger)
    ended = api.get(job["url"]).json()
    assert list(ended["times"]) == ["queued", "running", "completed"]
    assert sorted(ended["times"].values()) == list(ended["times"].values())
    assert (ended["created_at"], ended["finished_at"]) == (ended["times"]["queued"], ended["times"]["completed"])


def test_expired_results_are_gone_and_the_job_says_so(api: httpx.Client, ledger: Ledger, redis: Redis) -> None:
    job = _submit(api)
    _work(ledger)
    expire_results(redis, job["id"])
    for response in (
        api.get(job["results_url"]),
        api.get(job["results_url"], params={"format": "csv"}),
        api.post(f"{job['url']}/retry"),
    ):
        assert (response.status_code, _kind(response)) == (410, "results-expired")
    assert api.get(job["url"]).json()["state"] == "completed"


# Doing it again


def test_retry_makes_a_job_of_the_failed_items(api: httpx.Client, ledger: Ledger) -> None:
    parent = _submit(api)
    running = api.post(f"{parent['url']}/retry")
    assert (running.status_code, _kind(running)) == (409, "job-not-ended")
    _work(ledger, failing=2)
    headers = {"Idempotency-Key": "again"}
    first, replayed = (api.post(f"{parent['url']}/retry", headers=headers) for _ in range(2))
    child = first.json()
    assert (first.status_code, child["parent"], child["counts"]["total"]) == (202, parent["id"], 2)
    assert replayed.content == first.content
    _work(ledger)
    results = api.get(child["results_url"]).json()["results"]
    assert [(result["id"], result["index"]) for result in results] == [("sku-0", 0), ("sku-1", 1)]
    assert ledger.lease(INTERACTIVE) is None
    nothing = api.post(f"{child['url']}/retry")
    assert (nothing.status_code, _kind(nothing)) == (409, "nothing-to-retry")


def test_retry_includes_items_that_the_error_budget_cancelled_on_request(api: httpx.Client, ledger: Ledger) -> None:
    pictures = [{"image": {"url": f"https://shop.example/{number}.jpg"}} for number in range(18)]
    job = _submit(api, pictures, error_budget=0)
    _work(ledger, failing=1, lane="bulk")
    counts = api.get(job["url"]).json()["counts"]
    assert (counts["failed"], counts["cancelled"]) == (1, 2)
    assert api.post(f"{job['url']}/retry").json()["counts"]["total"] == 1
    again = api.post(f"{job['url']}/retry", params={"status": "cancelled"})
    assert again.json()["counts"]["total"] == 2


def test_items_of_a_job_that_was_cancelled_are_not_kept_for_a_retry(api: httpx.Client) -> None:
    job = api.post(f"{_submit(api)['url']}/cancel").json()
    refused = api.post(f"{job['url']}/retry", params={"status": "cancelled"})
    assert (refused.status_code, _kind(refused)) == (409, "nothing-to-retry")
    assert "send the other items again" in refused.json()["detail"]


# Reading


@pytest.mark.parametrize("output", ["json", "ndjson", "csv", "parquet"])
@pytest.mark.parametrize("status", [None, "failed", "succeeded", "cancelled"])
def test_results_agree_in_every_format_and_can_be_filtered(
    api: httpx.Client, ledger: Ledger, output: str, status: str | None
) -> None:
    job = _submit(api)
    _work(ledger, failing=1)
    query = {"format": output} | ({"status": status} if status else {})
    response = api.get(job["results_url"], params=query)
    expected = {"failed": ["sku-0"], "succeeded": ["sku-1", "sku-2"], "cancelled": []}.get(
        status or "", ["sku-0", "sku-1", "sku-2"]
    )
    rows = _rows(response, output)
    assert [row["id"] for row in rows] == expected
    for row in rows:
        failed = row["id"] == "sku-0"
        assert row["status"] == ("failed" if failed else "succeeded")
        if output in ("csv", "parquet"):
            assert row["error"] == ("image_unreadable" if failed else "" if output == "csv" else None)


def _rows(response: httpx.Response, output: str) -> list[dict[str, Any]]:
    if output == "json":
        rows: list[dict[str, Any]] = response.json()["results"]
        return rows
    if output == "ndjson":
        return [json.loads(line) for line in response.text.splitlines()]
    if output == "csv":
        return list(csv.DictReader(response.text.splitlines()))
    return list(pq.read_table(io.BytesIO(response.content)).to_pylist())


def test_job_events_show_each_change_and_end_with_the_job(api: httpx.Client, ledger: Ledger) -> None:
    job = _submit(api)
    with api.stream("GET", job["events_url"]) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert next(lines) == "event: progress"
        assert json.loads(next(lines).removeprefix("data: "))["state"] == "queued"
        _work(ledger)
        rest = list(lines)
    assert rest.count("event: end") == 1
    last = json.loads([line for line in rest if line.startswith("data: ")][-1].removeprefix("data: "))
    assert (last["state"], last["progress"]) == ("completed", 1.0)


def test_waiting_job_has_a_position_and_retry_after(api: httpx.Client, ledger: Ledger) -> None:
    first, second = _submit(api), _submit(api)
    waiting = api.get(second["url"])
    assert waiting.json()["queue"] == {"lane": INTERACTIVE, "position": 1, "waiting_items": 6}
    assert int(waiting.headers["Retry-After"]) >= 1
    _work(ledger)
    ended = api.get(first["url"])
    assert ended.json()["queue"] is None
    assert ended.json()["rate"] > 0
    assert "Retry-After" not in ended.headers


# Too much at once


def test_a_full_queue_answers_503_and_accepted_jobs_are_unharmed(api: httpx.Client, ledger: Ledger) -> None:
    accepted = [_submit(api, ITEMS * 1) for _ in range(6)]
    items = [{"title": "Livre"}] * 3
    refused = api.post("/v1/jobs", json={"items": items}, headers={"Idempotency-Key": "k"})
    assert (refused.status_code, _kind(refused)) == (503, "queue-full")
    assert int(refused.headers["Retry-After"]) >= 1
    _work(ledger)
    retried = api.post("/v1/jobs", json={"items": items}, headers={"Idempotency-Key": "k"})
    assert retried.status_code == 202
    for _ in range(6):
        _work(ledger)
    assert {api.get(job["url"]).json()["state"] for job in accepted} == {"completed"}


def test_a_large_body_for_a_full_queue_is_not_read_to_its_end(api: httpx.Client) -> None:
    _submit(api, [{"title": f"Livre {i}"} for i in range(20)])
    sent = 0

    def lines() -> Iterator[bytes]:
        nonlocal sent
        for sent in range(100_000):
            yield b'{"title": "Livre %d"}\n' % sent

    full = api.post("/v1/jobs", content=lines(), headers={"Content-Type": "application/x-ndjson"})
    assert (full.status_code, _kind(full)) == (503, "queue-full")
    assert _submit(api, [{"title": "x"}])["state"] == "queued", "the lane of small jobs is not full"


# Tenants


def test_jobs_of_other_tenants_do_not_exist(api: httpx.Client, settings: Settings, ledger: Ledger) -> None:
    app = api.app  # type: ignore[attr-defined]
    keys = KeyStore(app.state.stores.redis)
    callers = {
        tenant: client_of(app, key=keys.create(tenant, [Scope.CLASSIFY, Scope.TRAIN, Scope.ADMIN])[1])
        for tenant in ("a", "b")
    }
    items: list[dict[str, Any]] = [{"title": "Livre", "image": {"base64": in_base64(jpeg())}}, {"title": "Cartes"}]
    job = _submit(callers["a"], items, key="k", webhook_url="https://example.com/hook")
    _work(ledger, failing=1)
    assert _submit(callers["b"], key="k")["id"] != job["id"], "keys of tenants never meet"
    tried = 0
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            if "{job_id}" in path:
                tried += 1
                url = path.replace("{job_id}", job["id"]).replace("{index}", "0")
                response = callers["b"].request(method.upper(), url)
                assert (response.status_code, _kind(response)) == (404, "job-not-found"), (method, url)
                if not path.endswith("/explanation"):  # a worker would have to answer
                    assert callers["a"].request(method.upper(), url).status_code < 400, (method, url)
    assert tried >= 7


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
