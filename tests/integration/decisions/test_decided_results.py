"""Decisions in results and in lists of items."""

import csv
import io
import json
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from shared.ledger import Ledger
from tests.integration.decisions.conftest import SUGGESTED, Classified, decided, undo

LARGE = 1001
"""Items of a job whose files are kept to be sent again."""


def _results(api: httpx.Client, job: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"/v1/jobs/{job}/results").raise_for_status().json()["results"]
    return found


def _final(result: dict[str, Any]) -> tuple[str | None, str | None]:
    return result["final"] and result["final"]["code"], result["decided_by"]


def test_results_have_what_counts(api: httpx.Client, classified: Classified, ledger: Ledger) -> None:
    job = classified(api, 4, failing=1)
    assert [_final(result) for result in _results(api, job)] == [(SUGGESTED, "model")] * 3 + [(None, None)]
    decided(
        api,
        {"job_id": job, "index": 0, "category": "2583", "by": "anna"},
        {"job_id": job, "index": 1, "none_of_these": True, "note": "une remorque", "by": "ben"},
        {"job_id": job, "index": 2, "skip": True},
    )
    results = _results(api, job)
    assert [_final(result) for result in results] == [
        ("2583", "person"),
        (None, "person"),
        (SUGGESTED, "model"),
        (None, None),
    ]
    assert results[0]["final"]["name"] == "Piscines et accessoires"
    assert results[0]["category"]["code"] == SUGGESTED, "the model's answer stays"
    assert results[0]["decided_at"].endswith("Z")
    assert results[2]["decided_at"] is None
    undo(api, by="anna")
    assert _final(_results(api, job)[0]) == (SUGGESTED, "model")


@pytest.mark.parametrize("items", [3, LARGE])
def test_files_of_results_follow_decisions(api: httpx.Client, classified: Classified, items: int) -> None:
    job = classified(api, items)

    def read(output: str) -> bytes:
        return api.get(f"/v1/jobs/{job}/results", params={"format": output}).raise_for_status().content

    def finals() -> list[list[Any]]:
        rows = list(csv.DictReader(read("csv").decode().splitlines()))
        table = pq.read_table(io.BytesIO(read("parquet"))).to_pylist()
        lines = [json.loads(line) for line in read("ndjson").splitlines()]
        return [
            [line["final"]["code"] for line in lines],
            [row["final_code"] for row in table],
            [row["final_code"] for row in rows],
        ]

    assert finals() == [[SUGGESTED] * items] * 3
    decided(api, {"job_id": job, "index": 1, "category": "2583"})
    assert finals() == [[SUGGESTED, "2583", *[SUGGESTED] * (items - 2)]] * 3
    undo(api)
    assert finals() == [[SUGGESTED] * items] * 3


def test_items_say_who_decided_and_are_chosen_by_it(api: httpx.Client, classified: Classified) -> None:
    job = classified(api)
    decided(
        api,
        {"job_id": job, "index": 0, "category": "2583", "by": "anna"},
        {"job_id": job, "index": 2, "none_of_these": True, "note": "une remorque", "by": "ben"},
    )

    def found(**query: Any) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = api.get(f"/v1/jobs/{job}/items", params=query).raise_for_status().json()["items"]
        return items

    pool, undecided, none = found()
    assert (pool["decision"]["by"], pool["decision"]["note"], pool["decision"]["category"]["code"]) == (
        "anna",
        None,
        "2583",
    )
    assert (none["decision"]["by"], none["decision"]["note"], none["decision"]["category"]) == (
        "ben",
        "une remorque",
        None,
    )
    assert undecided["decision"] is None
    assert _final(pool["result"]) == ("2583", "person")
    assert (found(decided=True), found(decided=False), found(decided_by="ben")) == ([pool, none], [undecided], [none])
    assert found(decided=False, decided_by="ben") == []


def test_a_running_jobs_results_can_be_decided(api: httpx.Client, ledger: Ledger, classified: Classified) -> None:
    job = str(api.post("/v1/jobs", json={"items": [{"title": "x"}] * 2}).raise_for_status().json()["id"])
    first = api.get(f"/v1/jobs/{job}").json()
    assert (first["state"], first["open"]) == ("queued", 0)
    refused = api.post("/v1/decisions", json={"decisions": [{"job_id": job, "index": 0, "skip": True}]})
    assert refused.json()["errors"][0]["code"] == "item_not_found"
