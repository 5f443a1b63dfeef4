"""The caller's own columns: kept beside the items in Redis for as long as the results, and given back with them."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from benchmarks.system import System
from shared.ledger import STAGING_S, ItemStatus, Job, Ledger, MemoryQuota, Outcome, QueuedItem, Results, Sent, SentItems
from shared.ledger.scripts import job_key
from shared.settings import Settings
from tests.http import local_client
from tests.jobs import leased, new_job, outcomes_of
from tests.redis_state import job_keys, memory_counted, memory_stored, pass_deadline
from tests.waiting import finished

_CSV = {"Content-Type": "text/csv"}
_ROWS = 100_000
_COLUMNS = ("Réf fournisseur", "Prix", "note", "Category", "vide")
_AWKWARD = (
    '"quoted"',
    "two\r\nlines",
    "00042",
    "Crème brûlée",
    " before",
    "behind ",
    "=1+1",
    "",
    "a;b,c",
    "'",
    "-5",
    "\t",
)


@pytest.fixture
def settings(redis_port: int, redis: Redis, tmp_path: Path) -> Settings:
    url = f"redis://127.0.0.1:{redis_port}"
    return Settings(redis_url=f"{url}/0", broker_url=f"{url}/1", blob_url=tmp_path.as_uri(), confirm_on_disk=False)


@pytest.fixture
def api(settings: Settings) -> Iterator[httpx.Client]:
    """Without a worker."""
    with local_client(settings) as client:
        yield client


def _accepted(answer: httpx.Response) -> str:
    assert answer.status_code == 202, answer.text
    identifier: str = answer.json()["id"]
    return identifier


def _work(ledger: Ledger, failing: int = 0) -> None:
    lane = "interactive"
    while lease := ledger.lease(lane):
        ledger.commit(lease, "v1", outcomes_of(lease, failing))


def _results(api: httpx.Client, job: str) -> dict[str, dict[str, Any]]:
    page = api.get(f"/v1/jobs/{job}/results").raise_for_status().json()
    return {result["id"]: result for result in page["results"]}


def _table(api: httpx.Client, job: str, output: str) -> list[list[str]]:
    answer = api.get(f"/v1/jobs/{job}/results", params={"format": output}).raise_for_status()
    return list(csv.reader(io.StringIO(answer.content.decode(), newline="")))


def test_items_have_their_metadata_and_titles_in_each_form(api: httpx.Client, ledger: Ledger) -> None:
    items: list[dict[str, Any]] = [
        {"id": "a", "title": " Lampe ", "metadata": {"sku": "007", "price": 1.5, "new": True, "none": None}},
        {"id": "b", "description": "une chaise", "metadata": {"colour": "=red"}},
        {"id": "c", "title": "Table"},
    ]
    job = _accepted(api.post("/v1/jobs", json={"items": items}))
    _work(ledger, failing=1)
    found = _results(api, job)
    assert found["a"]["status"] == "failed"
    for item in items:
        result = found[item["id"]]
        assert result["title"] == item.get("title")
        assert json.dumps(result["metadata"]) == json.dumps(item.get("metadata"))
    lines = api.get(f"/v1/jobs/{job}/results", params={"format": "ndjson"}).text.splitlines()
    assert [json.loads(line) for line in lines] == [found[name] for name in "abc"]
    heading, *rows = _table(api, job, "csv-raw")
    assert heading[-7:] == ["title", "provisional", "sku", "price", "new", "none", "colour"]
    assert [row[-7:] for row in rows] == [
        [" Lampe ", "false", "007", "1.5", "true", "", ""],
        ["", "false", "", "", "", "", "=red"],
        ["Table", "false", "", "", "", "", ""],
    ]
    assert _table(api, job, "csv")[2][-1] == "'=red"


def test_skipped_items_have_theirs_unless_these_are_what_is_wrong(api: httpx.Client, ledger: Ledger) -> None:
    table = f"id,title,image,Prix\na,Lampe,,1\nb,Chaise,missing.jpg, 2 \nc,,,3\nd,Table,,{'x' * 4097}\n"
    answer = api.post("/v1/jobs", content=table.encode(), headers=_CSV)
    assert [(error["line"], error["pointer"]) for error in answer.json()["errors"]] == [
        (3, "/image/file"),
        (4, ""),
        (5, ""),
    ]
    job = _accepted(api.post("/v1/jobs", params={"on_invalid": "skip"}, content=table.encode(), headers=_CSV))
    _work(ledger)
    found = _results(api, job)
    assert {name: result["metadata"] for name, result in found.items()} == {
        "a": {"Prix": "1"}, "b": {"Prix": " 2 "}, "c": {"Prix": "3"}, "d": None,
    }  # fmt: skip
    assert {name: result["title"] for name, result in found.items()} == {
        "a": "Lampe", "b": "Chaise", "c": None, "d": "Table",
    }  # fmt: skip


@pytest.mark.parametrize("end", ["cancel", "expire"])
def test_items_that_were_never_classified_have_theirs_and_a_retry_takes_them_over(
    api: httpx.Client, ledger: Ledger, redis: Redis, end: str
) -> None:
    items = [{"id": str(number), "title": f" {number} ", "metadata": {"n": number}} for number in range(3)]
    job = _accepted(api.post("/v1/jobs", json={"items": items}))
    if end == "cancel":
        api.post(f"/v1/jobs/{job}/cancel").raise_for_status()
    else:
        pass_deadline(redis, job)
        ledger.expire()
    found = _results(api, job)
    assert {name: result["metadata"] for name, result in found.items()} == {str(n): {"n": n} for n in range(3)}
    if end == "expire":
        again = _accepted(api.post(f"/v1/jobs/{job}/retry"))
        _work(ledger)
        retried = _results(api, again)
        assert {name: (result["title"], result["metadata"]) for name, result in retried.items()} == {
            str(n): (f" {n} ", {"n": n}) for n in range(3)
        }
        assert _table(api, again, "csv-raw")[0][-1] == "n"


def test_no_titles_are_given_back_where_no_inputs_are_kept(settings: Settings, ledger: Ledger) -> None:
    with local_client(settings.model_copy(update={"keep_inputs": False})) as api:
        job = _accepted(api.post("/v1/jobs", json={"items": [{"title": " Lampe ", "metadata": {"a": 1}}]}))
        _work(ledger)
        (result,) = _results(api, job).values()
    assert (result["title"], result["metadata"]) == (None, {"a": 1})


def test_the_same_key_with_other_own_columns_is_another_request(api: httpx.Client) -> None:
    headers = {**_CSV, "Idempotency-Key": "once"}
    bodies = (b"title,a\nLampe,1\n", b"title,a\nLampe,1\n", b"title,a\nLampe,2\n", b"title\nLampe\n")
    answers = [api.post("/v1/jobs", content=body, headers=headers).status_code for body in bodies]
    assert answers == [202, 202, 422, 422]


def test_a_job_without_own_columns_has_nothing_more_in_redis(api: httpx.Client, redis: Redis) -> None:
    job = _accepted(api.post("/v1/jobs", json={"items": [{"id": "a", "title": "Lampe"}]}))
    assert not redis.exists(job_key(job, "sent"))


# The ledger


def _staged(ledger: Ledger, memory: MemoryQuota | None = None) -> str:
    job = ledger.new_id()
    ledger.stage(job, 0, [QueuedItem(0, "a", "x")], memory, {0: Sent(" x ", {"é\0\u2028": "00"})})
    skipped = [Outcome(1, "b", ItemStatus.INVALID, error="invalid_item")]
    ledger.stage_invalid(job, 1, skipped, memory, {1: Sent(None, {"b": 1})})
    return job


def _open(ledger: Ledger, job: str) -> Job:
    ledger.open(job, new_job(2, 2, invalid=1, columns=("é\0\u2028", "b")))
    return ledger.job(job)


def test_own_columns_live_as_long_as_the_results(ledger: Ledger, redis: Redis) -> None:
    job = _staged(ledger)
    key = job_key(job, "sent")
    assert 0 < redis.ttl(key) <= STAGING_S
    redis.expire(key, 5)
    ledger.keep_staged(job)
    assert redis.ttl(key) > 5
    _open(ledger, job)
    assert redis.ttl(key) > 3600, "the deadline, and as long as results are kept"
    lease = leased(ledger)
    ledger.commit(lease, "v1", outcomes_of(lease))
    assert redis.ttl(key) == redis.ttl(job_key(job, "results"))


def test_own_columns_are_discarded_with_what_was_staged(ledger: Ledger, redis: Redis) -> None:
    ledger.discard(_staged(ledger))
    assert job_keys(redis) == []


def test_own_columns_count_as_their_tenants_memory(ledger: Ledger, redis: Redis) -> None:
    job = _staged(ledger, MemoryQuota("local", share=1))
    assert memory_counted(redis, "local") == {job: memory_stored(redis, job)}


def test_the_ledger_gives_back_what_belongs_to_each_outcome(ledger: Ledger, redis: Redis) -> None:
    opened = _open(ledger, _staged(ledger))
    sent, results = SentItems(redis), Results(redis)
    assert sent.columns(opened) == ["é\0\u2028", "b"]
    lease = leased(ledger)
    ledger.commit(lease, "v1", outcomes_of(lease))
    page = results.page(ledger.job(opened.id))
    given_back = dict(zip([outcome.id for _, outcome in page.outcomes], sent.of(opened, page), strict=True))
    assert given_back == {"a": Sent(" x ", {"é\0\u2028": "00"}), "b": Sent(None, {"b": 1})}


# In bulk


def _own(row: int) -> list[str]:
    return [f"{row:09}", *(_AWKWARD[(row + place) % len(_AWKWARD)] for place in range(len(_COLUMNS) - 1))]


def test_own_columns_of_100_000_rows_come_back_byte_for_byte(tmp_path: Path) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["id", _COLUMNS[0], "title", *_COLUMNS[1:]])
    for row in range(_ROWS):
        first, *others = _own(row)
        writer.writerow([f"sku-{row}", first, f"Lampe numéro {row % 1000}", *others])
    with System(tmp_path, 1, "instant") as system, httpx.Client(base_url=system.url, timeout=300) as api:
        job = _accepted(api.post("/v1/jobs", content=text.getvalue().encode(), headers=_CSV))
        assert finished(api, f"/v1/jobs/{job}", timeout_s=300)["counts"]["succeeded"] == _ROWS
        heading, *rows = _table(api, job, "csv-raw")
    assert heading[-len(_COLUMNS) - 2 :] == ["title", "provisional", *_COLUMNS]
    assert "result_category" in heading
    given_back = {row[1]: row[-len(_COLUMNS) - 2 :] for row in rows}
    assert len(given_back) == len(rows) == _ROWS
    for row in range(_ROWS):
        assert given_back[f"sku-{row}"] == [f"Lampe numéro {row % 1000}", "false", *_own(row)]
