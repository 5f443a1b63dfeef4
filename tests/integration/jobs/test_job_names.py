"""Names and metadata of jobs: what is taken, kept, returned, and found again. No worker runs."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from redis import Redis

from shared.ledger import Audit, Ledger
from shared.settings import Settings
from tests.http import local_client
from tests.jobs import ended, new_job, opened
from tests.redis_state import expire_memory, expire_results, memory_counted, pass_deadline

ITEM = {"title": "Livre"}
SPRING = {"season": "spring", "shop": "Orléans"}
LARGEST = {"name": "é" * 200, "metadata": {f"{i:02}" + "é" * 62: "\U0001f4d6" * 512 for i in range(16)}}


@pytest.fixture
def api(redis_port: int, redis: Redis) -> Iterator[TestClient]:
    url = f"redis://127.0.0.1:{redis_port}"
    settings = Settings(redis_url=f"{url}/0", broker_url=f"{url}/1", confirm_on_disk=False, predict_timeout_s=0.1)
    with local_client(settings) as client:
        yield client


def submitted(api: TestClient, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = api.post("/v1/jobs", json={"items": [ITEM], **options}).raise_for_status().json()
    return found


def listed(api: TestClient, **query: Any) -> list[str]:
    page = api.get("/v1/jobs", params=query).raise_for_status().json()
    assert page["next_cursor"] is None
    return [job["id"] for job in page["jobs"]]


def facts(job: dict[str, Any]) -> tuple[str | None, dict[str, str]]:
    return job["name"], job["metadata"]


@pytest.mark.parametrize("packing", ["json", "ndjson", "multipart", "table in multipart"])
def test_every_form_of_request_takes_them(api: TestClient, packing: str) -> None:
    options = {"name": "Printemps 2027", "metadata": json.dumps(SPRING)}
    line = json.dumps(ITEM).encode()
    match packing:
        case "json":
            answer = api.post("/v1/jobs", json={"items": [ITEM], "name": options["name"], "metadata": SPRING})
        case "ndjson":
            headers = {"Content-Type": "application/x-ndjson"}
            answer = api.post("/v1/jobs", content=line, params=options, headers=headers)
        case "multipart":
            answer = api.post("/v1/jobs", data=options, files={"items": ("items.ndjson", line)})
        case _:
            table = json.dumps({"items": [ITEM], "name": options["name"], "metadata": SPRING}).encode()
            answer = api.post("/v1/jobs", files={"items": ("items.json", table)})
    job = answer.raise_for_status().json()
    assert facts(job) == facts(api.get(f"/v1/jobs/{job['id']}").json()) == ("Printemps 2027", SPRING)
    assert facts(api.get("/v1/jobs").json()["jobs"][0]) == ("Printemps 2027", SPRING)


def test_the_largest_are_taken_however_their_json_is_written(api: TestClient) -> None:
    assert facts(submitted(api, **LARGEST)) == (LARGEST["name"], LARGEST["metadata"])
    assert len(json.dumps(LARGEST["metadata"])) > 100_000, "each character escaped"


@pytest.mark.parametrize("left_out", [{}, {"name": "", "metadata": {}}, {"name": None, "metadata": None}])
def test_a_job_needs_none(api: TestClient, left_out: dict[str, Any]) -> None:
    assert facts(submitted(api, **left_out)) == (None, {})


@pytest.mark.parametrize(
    ("options", "pointer", "said"),
    [
        ({"name": "a" * 201}, "/name", "at most 200"),
        ({"name": " "}, "/name", "blank"),
        ({"name": "a\x1b[31m"}, "/name", "control"),
        ({"name": "a\u0085"}, "/name", "control"),
        ({"name": "\ud800"}, "/name", "unicode"),
        ({"name": 7}, "/name", "string"),
        ({"metadata": "spring"}, "/metadata", "an object"),
        ({"metadata": '{"season": "spring"}'}, "/metadata", "an object"),
        ({"metadata": ["spring"]}, "/metadata", "an object"),
        ({"metadata": 7}, "/metadata", "an object"),
        ({"metadata": {"year": 2027}}, "/metadata/year", "string"),
        ({"metadata": {"year": {"from": "2027"}}}, "/metadata/year", "string"),
        ({"metadata": {"year": None}}, "/metadata/year", "string"),
        ({"metadata": {"a/b": 1}}, "/metadata/a~1b", "string"),
        ({"metadata": {"a": "b" * 513}}, "/metadata/a", "at most 512"),
        ({"metadata": {"a" * 65: "b"}}, "/metadata", "over 64"),
        ({"metadata": {"": "b"}}, "/metadata", "blank"),
        ({"metadata": {"a\n": "b"}}, "/metadata", "control"),
        ({"metadata": {"\ud800": "b"}}, "/metadata", "control"),
        ({"metadata": {str(i): "" for i in range(17)}}, "/metadata", "at most 16"),
    ],
)
def test_what_is_wrong_is_named(api: TestClient, options: dict[str, Any], pointer: str, said: str) -> None:
    body = json.dumps({"items": [ITEM], **options})
    answer = api.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert said in error["detail"]
    assert listed(api) == []


@pytest.mark.parametrize("text", ["spring", "[1]", '"a"', "7", '{"a": ', '{"a": "b", "a": "c"}', "[" * 100])
@pytest.mark.parametrize("way", ["params", "data"])
def test_a_text_that_is_no_object_is_refused(api: TestClient, text: str, way: str) -> None:
    answer = api.post("/v1/jobs", files={"items": ("i.ndjson", json.dumps(ITEM).encode())}, **{way: {"metadata": text}})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/metadata")


def test_other_options_are_still_single_values(api: TestClient) -> None:
    answer = api.post("/v1/jobs", json={"items": [ITEM], "name": {"a": "b"}})
    assert (answer.status_code, "single value" in answer.json()["detail"]) == (400, True)


def test_a_repetition_has_them_and_another_metadata_is_another_request(api: TestClient) -> None:
    headers = {"Idempotency-Key": "once"}
    body = {"items": [ITEM], "name": "Spring", "metadata": SPRING}
    first, again = (api.post("/v1/jobs", json=body, headers=headers) for _ in range(2))
    assert first.content == again.content
    files = {"items": ("items.ndjson", json.dumps(ITEM).encode())}
    options = {"name": "Spring", "metadata": json.dumps(dict(reversed(SPRING.items())), indent=1)}
    packed = api.post("/v1/jobs", data=options, files=files, headers=headers)
    assert packed.content == first.content, "how it is packed does not matter"
    other = api.post("/v1/jobs", json={**body, "metadata": {"season": "autumn"}}, headers=headers)
    assert (other.status_code, other.json()["type"].split(":")[-1]) == (422, "idempotency-key-reused")


def test_a_retry_inherits_both(api: TestClient, ledger: Ledger, redis: Redis) -> None:
    job = submitted(api, name="Spring", metadata=SPRING)["id"]
    pass_deadline(redis, job)
    assert ledger.expire() == 1
    retried = api.post(f"/v1/jobs/{job}/retry").raise_for_status().json()
    assert (retried["parent"], *facts(retried)) == (job, "Spring", SPRING)


def test_they_count_for_the_tenants_memory_also_when_the_results_are_gone(ledger: Ledger, redis: Redis) -> None:
    jobs = [ended(ledger), ended(ledger, name="a" * 200, metadata={"key": "é" * 500})]
    before = [memory_counted(redis, "local")[job] for job in jobs]
    assert 1200 < before[1] - before[0] < 1300
    expire_memory(redis, "local")
    for job in jobs:
        expire_results(redis, job)
    Audit(redis).recount()
    after = [memory_counted(redis, "local")[job] for job in jobs]
    assert (after[0] < before[0], after[1] - after[0]) == (True, 1210 + len('{"key": ""}') - 10)


def test_a_record_of_a_release_without_them_is_read_as_before(ledger: Ledger) -> None:
    job = ledger.job(opened(ledger, [1]))
    assert (job.name, job.metadata) == (None, {})
    assert (new_job(1, 1).name, new_job(1, 1).metadata) == (None, {})


# Finding them again


def test_a_search_finds_words_in_names_metadata_and_ids(api: TestClient) -> None:
    spring = submitted(api, name="Été 2027: Jouets & Peluches", metadata={"shop": "Orléans"})["id"]
    other = submitted(api, name="Frühling")["id"]
    bare = submitted(api)["id"]
    for text in ("ete", "ÉTÉ 2027", "jouet orleans", "jouets & peluches", "luche", "2027 orl", spring, spring[3:10]):
        assert listed(api, q=text) == [spring], text
    assert listed(api, q=f"fruhling {other.upper()}") == [other]
    assert listed(api, q=bare[:6]) == [bare]
    assert listed(api, q="shop") == [], "a key is no value"
    assert listed(api, q="ete fruhling") == []


def test_pairs_must_be_there_exactly(api: TestClient) -> None:
    spring = submitted(api, metadata={"season": "spring", "url": "https://a.example", "a:b": "c"})["id"]
    autumn = submitted(api, metadata={"season": "autumn", "url": "https://a.example"})["id"]
    assert listed(api, metadata="season:spring") == [spring]
    assert listed(api, metadata="url:https://a.example") == [autumn, spring]
    assert listed(api, metadata=["season:autumn", "url:https://a.example"]) == [autumn]
    assert listed(api, metadata="a:b:c") == [spring]
    for pair in ("season:Spring", "season:", "season:spr", "season:spring "):
        assert listed(api, metadata=pair) == [], pair


def test_times_select_jobs_exactly(api: TestClient) -> None:
    jobs = [submitted(api, name=f"Job {number}") for number in range(3)]
    first, second, third = (job["id"] for job in jobs)
    at = jobs[1]["created_at"]
    assert listed(api, created_after=at) == [third, second], "then or later"
    assert listed(api, created_before=at) == [first]
    assert listed(api, created_after=at, created_before=jobs[2]["created_at"]) == [second]
    assert listed(api, created_after=at, q="job 2", state="queued") == [third]
    assert listed(api, created_after=jobs[2]["created_at"], created_before=at) == []
    assert listed(api, created_after="2020-01-01T00:00:00+01:00", created_before="9999-12-31T23:59:59Z") != []


def test_filters_are_combined_and_pages_follow(api: TestClient) -> None:
    wanted = [submitted(api, name=f"Spring {i}", metadata=SPRING)["id"] for i in range(3)][::-1]
    submitted(api, name="Spring without metadata")
    cancelled = submitted(api, name="Spring", metadata=SPRING)["id"]
    api.post(f"/v1/jobs/{cancelled}/cancel").raise_for_status()
    query = {"q": "spring", "metadata": "season:spring", "state": "queued", "limit": 2}
    first = api.get("/v1/jobs", params=query).json()
    second = api.get("/v1/jobs", params={**query, "cursor": first["next_cursor"]}).json()
    assert [job["id"] for page in (first, second) for job in page["jobs"]] == wanted
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"q": ""}, "/query/q"),
        ({"q": " & "}, "/query/q"),
        ({"q": "a" * 201}, "/query/q"),
        ({"metadata": "season"}, "/query/metadata/0"),
        ({"metadata": ["a:b", "season"]}, "/query/metadata/1"),
        ({"metadata": "a:" + "b" * 576}, "/query/metadata/0"),
        ({"metadata": [f"{i}:" for i in range(17)]}, "/query/metadata"),
        ({"created_after": "yesterday"}, "/query/created_after"),
        ({"created_after": "2027-03-01"}, "/query/created_after"),
        ({"created_after": "2027-03-01T00:00:00"}, "/query/created_after"),
        ({"created_before": "1764412075"}, "/query/created_before"),
        ({"created_before": ""}, "/query/created_before"),
    ],
)
def test_a_wrong_filter_is_named(api: TestClient, query: dict[str, Any], pointer: str) -> None:
    answer = api.get("/v1/jobs", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
