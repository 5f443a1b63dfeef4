"""The promise, from audited answers over decisions to the threshold; a test's own hand takes the worker's part."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from api.decisions.index import DecisionIndex
from shared.ledger import AuditKind, DrawCounts, Guess, Ledger, ModelPromise, Outcome, PromiseRecord, Promises
from shared.promise import bin_of
from shared.settings import Settings
from shared.stores.decisions import DecisionStore
from shared.stores.taxonomy_in_force import PublishedBundle, PublishedTaxonomies
from shared.taxonomy import RAKUTEN
from shared.tenants.api_keys import KeyStore, Scope
from tests.http import client_of, local_client
from tests.redis_state import lose_decision_index, lose_promise_record
from worker.housekeeping.promise_keeper import PromiseKeeper

BUNDLE, OWN = "one", 0.8
GUESS, OTHER = "10", "40"

Answered = Callable[..., str]


@pytest.fixture
def settings(redis_port: int, tmp_path: Path) -> Settings:
    url = f"redis://127.0.0.1:{redis_port}"
    return Settings(
        redis_url=f"{url}/0",
        broker_url=f"{url}/1",
        blob_url=(tmp_path / "blobs").as_uri(),
        labels_url=(tmp_path / "labels").as_uri(),
        confirm_on_disk=False,
    )


@pytest.fixture
def api(settings: Settings, redis: Redis) -> Iterator[httpx.Client]:
    PublishedTaxonomies(redis, 90).publish(PublishedBundle(BUNDLE, RAKUTEN, (GUESS, OTHER)), taken_over=True)
    Promises(redis).publish(ModelPromise(BUNDLE, 0.95, OWN))
    with local_client(settings) as client:
        yield client


@pytest.fixture
def answered(ledger: Ledger) -> Answered:
    """Makes a job whose items are answered with these confidences, accepted and audited from the threshold on."""

    def answer(api: httpx.Client, *confidences: float, kind: AuditKind | None = AuditKind.DRAWN) -> str:
        items = [{"id": f"sku-{index}", "title": f"Livre {index}"} for index in range(len(confidences))]
        job = str(api.post("/v1/jobs", json={"items": items}).raise_for_status().json()["id"])
        while (lease := ledger.lease("interactive") or ledger.lease("bulk")) is not None:
            outcomes = [
                Outcome(
                    item.index,
                    item.id,
                    guesses=(Guess(GUESS, confidence := confidences[item.index]),),
                    needs_review=confidence < OWN,
                    sure=int(confidence >= OWN),
                    audited=kind if confidence >= OWN else None,
                )
                for item in lease.items
            ]
            ledger.commit(lease, BUNDLE, outcomes)
        return job

    return answer


def decide(api: httpx.Client, job: str, *codes: str | None) -> None:
    decisions = [
        {"job_id": job, "index": index, **({"category": code} if code else {"none_of_these": True})}
        for index, code in enumerate(codes)
    ]
    response = api.post("/v1/decisions", json={"decisions": decisions})
    assert response.status_code == 201, response.text


def promise(api: httpx.Client) -> Any:
    return api.get("/v1/promise").raise_for_status().json()


def audits(api: httpx.Client) -> tuple[int, int]:
    precision = promise(api)["precision"]
    return precision["audited"], precision["right"]


def test_an_audited_item_looks_to_people_like_one_that_needs_a_review(api: httpx.Client, answered: Answered) -> None:
    job = answered(api, 0.95, 0.5)

    def items(**query: Any) -> list[Any]:
        found: list[Any] = api.get(f"/v1/jobs/{job}/items", params=query).raise_for_status().json()["items"]
        return [(item["result"]["needs_review"], item["result"]["category"]["sure"]) for item in found]

    def results(member: str) -> list[Any]:
        found = api.get(f"/v1/jobs/{job}/results").raise_for_status().json()["results"]
        return [result[member] for result in found]

    assert items() == items(needs_review=True) == [(True, None), (True, None)]
    assert items(needs_review=False) == []
    assert api.get(f"/v1/jobs/{job}").json()["open"] == 2
    assert (results("needs_review"), results("decided_by")) == ([False, True], ["model", "model"])
    decide(api, job, OTHER, OTHER)
    assert api.get(f"/v1/jobs/{job}").json()["open"] == 0
    assert results("decided_by") == ["audit", "person"]
    table = api.get(f"/v1/jobs/{job}/results", params={"format": "csv"}).text
    assert ",audit," in table


def test_decisions_about_audited_answers_show_their_precision(api: httpx.Client, answered: Answered) -> None:
    assert promise(api)["says"] == "95% of the accepted answers are promised to be right; none is audited yet."
    above = RAKUTEN.path(GUESS)[0].code
    decide(api, answered(api, *[0.9] * 6, 0.5), GUESS, GUESS, GUESS, OTHER, None, above, GUESS)
    told = promise(api)
    assert (told["promised"], told["bundle"], told["threshold"], told["pinned"]) == (0.95, BUNDLE, OWN, False)
    precision = told["precision"]
    assert (precision["audited"], precision["right"], precision["estimate"]) == (5, 3, 0.6), "above tells nothing"
    assert 0 < precision["at_least"] < 0.6 < precision["at_most"] < 1
    assert told["says"].startswith("At least ")
    assert "by 5 audited ones of which 3 were right" in told["says"]
    (category,), (week,) = told["by_category"], told["by_week"]
    assert (category["code"], category["audited"], week["audited"], week["right"]) == (GUESS, 5, 5, 3)


def test_audits_for_a_categorys_sake_count_for_it_alone(api: httpx.Client, answered: Answered) -> None:
    decide(api, answered(api, 0.9, kind=AuditKind.FLOOR), OTHER)
    told = promise(api)
    assert (told["precision"]["audited"], told["by_category"][0]["audited"]) == (0, 1)


def test_the_record_follows_undos_and_is_made_again_from_the_decisions(
    api: httpx.Client, answered: Answered, redis: Redis, settings: Settings
) -> None:
    job = answered(api, 0.9, 0.95)
    decide(api, job, GUESS, GUESS)
    decide(api, job, OTHER)
    assert audits(api) == (2, 1)
    api.post("/v1/decisions/undo", json={}).raise_for_status()
    assert audits(api) == (2, 2)
    lose_promise_record(redis)
    lose_decision_index(redis)
    assert audits(api) == (0, 0)
    assert DecisionIndex(redis, DecisionStore(settings.labels_url), 3600).rebuild()
    assert audits(api) == (2, 2)


def test_the_housekeeper_moves_the_threshold_and_says_why(api: httpx.Client, answered: Answered, redis: Redis) -> None:
    confidences = [0.5 + 0.0049 * index for index in range(100)]
    for _ in range(3):
        decide(api, answered(api, *confidences), *(OTHER if each < 0.9 else GUESS for each in confidences))
    bins = DrawCounts(dict.fromkeys(map(bin_of, confidences), 50), 5000, {})
    PromiseRecord(redis).count("local", BUNDLE, bins, 0, 0)
    PromiseKeeper(redis, 90).keep()
    told = promise(api)
    assert told["threshold"] > 0.85
    (move,) = told["moves"]
    assert (move["before"], move["after"], move["by"]) == (OWN, told["threshold"], None)
    assert "300 decisions of the last 21 days" in move["reason"]
    metrics = {
        (sample.name, sample.labels.get("state")): sample.value
        for family in text_string_to_metric_families(api.get("/metrics").text)
        for sample in family.samples
        if "promise" in sample.name or "threshold" in sample.name
    }
    assert metrics["catalog_review_threshold_max", None] == told["threshold"]
    assert sum(value for (name, _), value in metrics.items() if name == "catalog_promise_tenants") == 1


def test_a_pinned_threshold_stays_until_it_is_let_go(api: httpx.Client, answered: Answered, redis: Redis) -> None:
    decide(api, answered(api, *[0.9] * 150), *[OTHER] * 150)
    PromiseRecord(redis).count("local", BUNDLE, DrawCounts({180: 150}, 150, {}), 0, 0)
    pinned = api.put("/v1/promise", json={"threshold": 0.7, "reason": "the season begins"}).raise_for_status().json()
    assert (pinned["threshold"], pinned["pinned"], pinned["moves"][0]["reason"]) == (0.7, True, "the season begins")
    PromiseKeeper(redis, 90).keep()
    assert promise(api)["threshold"] == 0.7
    free = api.put("/v1/promise", json={"threshold": None}).raise_for_status().json()
    assert (free["threshold"], free["pinned"], len(free["moves"])) == (OWN, False, 2)
    PromiseKeeper(redis, 90).keep()
    assert promise(api)["threshold"] > OWN
    assert api.put("/v1/promise", json={"threshold": 1.5}).status_code == 422
    _, key = KeyStore(redis).create("acme", [Scope.CLASSIFY, Scope.REVIEW])
    reviewer = client_of(api.app, key=key)  # type: ignore[attr-defined]
    assert reviewer.get("/v1/promise").status_code == 200
    assert reviewer.put("/v1/promise", json={"threshold": 0.7}).json()["scope"] == "admin"


def test_nothing_is_promised_before_a_model_serves(settings: Settings, redis: Redis) -> None:
    with local_client(settings) as client:
        told = promise(client)
        assert (told["promised"], told["threshold"], told["state"]) == (None, None, "open")
        refused = client.put("/v1/promise", json={"threshold": 0.7})
        assert (refused.status_code, refused.json()["type"].split(":")[-1]) == (409, "no-promise")


def test_a_tenant_sees_its_own_promise(api: httpx.Client, answered: Answered, redis: Redis) -> None:
    decide(api, answered(api, 0.9), GUESS)
    assert audits(api) == (1, 1)
    _, key = KeyStore(redis).create("acme", [Scope.REVIEW])
    assert audits(client_of(api.app, key=key)) == (0, 0)  # type: ignore[attr-defined]
