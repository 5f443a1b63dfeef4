"""Drift: the counters, what is said of them, and the whole way from a job to an alert."""

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from api.drift.alerts import ACCURACY, alerts
from api.drift.assessment import MIN_ITEMS
from api.trainings.schemas import TrainingIn
from shared.drift import Drift
from shared.drift.profile import DriftFeature, Profile, Reference, Seen
from shared.pipeline.stages import PromotePolicy
from shared.settings import Settings
from shared.tenants.api_keys import KeyStore, Scope
from stack.services import Stack
from tests.conftest import Trained
from tests.http import client_of, local_client
from tests.pictures import in_base64
from tests.rakuten import CODES
from tests.redis_state import drift_days, forget_drift, move_drift_back, reference_key
from tests.waiting import finished, wait_for
from tests.workspace import Workspace
from training.catalogue.pictures import iter_pictures
from training.pipeline.layout import IMPORTED
from training.pipeline.splits import VALIDATION

KEEP_DAYS = 90


@pytest.fixture
def drift(redis: Redis) -> Drift:
    return Drift(redis, KEEP_DAYS)


@pytest.fixture
def front(redis_port: int, redis: Redis) -> Iterator[TestClient]:
    url = f"redis://127.0.0.1:{redis_port}"
    with local_client(Settings(redis_url=f"{url}/0", broker_url=f"{url}/1")) as client:
        yield client


def ordinary(items: int, seed: int = 0) -> Profile:
    """Mostly sure answers to texts of known words, nearly all with a picture, of which a third is looked at."""
    deal = random.Random(seed)
    return Profile.of(
        Seen(
            deal.choice(CODES),
            round(deal.uniform(0.7, 1), 4),
            deal.randint(4, 20),
            0.0,
            picture := deal.random() < 0.95,
            deal.random() < 0.33 if picture else None,
        )
        for _ in range(items)
    )


def strange(items: int) -> Profile:
    """One type, unsure, texts of unknown words, pictures of half of the items, all of them looked at."""
    return Profile.of(
        Seen("10", 0.3, 8, 1.0, picture, True if picture else None)
        for picture in (number % 2 == 0 for number in range(items))
    )


def reference() -> Reference:
    return Reference(accuracy=0.83, counts=dict(ordinary(2000, seed=1).counts))


def standing(drift: Drift) -> set[str]:
    return {alert.feature for alert in alerts(drift.read(), drift.today())}


def test_chunks_add_up_per_day_and_model(drift: Drift, redis: Redis) -> None:
    drift.count("one", ordinary(30))
    drift.count("one", strange(20))
    drift.count("other", strange(5))
    drift.count("other", Profile())
    kept = {found.bundle: found for found in drift.read()}
    assert {model: len(found.days) for model, found in kept.items()} == {"one": 1, "other": 1}
    (day,) = kept["one"].days
    assert day.profile == ordinary(30) + strange(20)
    assert day.first == day.last == drift.today()
    assert kept["one"].reference is None


def test_days_are_kept_apart_and_for_a_while(drift: Drift, redis: Redis) -> None:
    drift.count("one", ordinary(30))
    move_drift_back(redis, "one", 100)
    drift.count("one", strange(20))
    move_drift_back(redis, "one", 3)
    drift.count("one", ordinary(10))
    (kept,) = drift.read()
    assert [(drift.today() - day.first).days for day in kept.days] == [3, 0]  # the hundred days are over
    assert [day.profile.items for day in kept.days] == [20, 10]
    for key in drift_days(redis):
        if redis.hget(key, "items") != b"30":
            assert 0 < redis.ttl(key) <= KEEP_DAYS * 86400


def test_a_reference_is_told_once_and_stays_while_its_model_answers(drift: Drift, redis: Redis) -> None:
    drift.publish("one", None)
    drift.publish("one", reference())
    drift.publish("one", Reference(accuracy=0, counts={}))  # the same version is the same bundle
    redis.expire(reference_key("one"), 60)
    drift.count("one", ordinary(10))
    assert drift.read()[0].reference == reference()
    assert redis.ttl(reference_key("one")) > 60


def test_items_like_the_validation_splits_are_no_alert(drift: Drift) -> None:
    drift.publish("one", reference())
    drift.count("one", ordinary(500))
    assert standing(drift) == set()


def test_of_many_categories_only_those_that_are_compared_are_read(
    drift: Drift, redis: Redis, front: TestClient
) -> None:
    codes = [f"c{number:04d}" for number in range(5000)]
    usual = Profile.of(Seen(code, 0.9, 8, 0.0, True) for code in [*codes, *codes[:50] * 100])
    moved = Profile.of(Seen(code, 0.9, 8, 0.0, True) for code in [*codes, *codes[:25] * 200])
    reference = Reference(accuracy=0.9, counts=dict(usual.counts), right=dict.fromkeys(codes, 1))
    drift.publish("one", reference)
    for days_ago, of_worker in ((2, None), (1, reference), (0, reference)):  # the first as an earlier release counted
        drift.count("one", moved, of_worker)
        move_drift_back(redis, "one", days_ago)
    assert sorted(redis.hlen(key) < 100 for key in drift_days(redis)) == [False, True, True]
    drift.label("one", drift.today(), 0.9, right=True)

    (found,) = drift.read()
    assert [day.profile.items for day in found.days] == [10_000] * 3
    assert all(len(day.profile.counts) < 100 for day in found.days)
    assert found.days[-1].labels.right == 1
    assert found.reference is not None
    read, expected = found.days[-1].profile, found.reference.profile
    for feature in DriftFeature:
        assert read.histograms(feature, expected) == moved.histograms(feature, expected)
    assert standing(drift) == {DriftFeature.TYPE}
    series = [line for line in front.get("/metrics").text.splitlines() if 'bundle="one"' in line]
    assert len(series) < 50, "no series per category"
    assert len(front.get("/v1/drift").content) < 20_000


def test_an_alert_names_the_day_since_which_it_has_stood(drift: Drift, redis: Redis) -> None:
    drift.publish("one", reference())
    for days_ago, profile in [(6, strange(200)), (5, ordinary(200)), (4, strange(200)), (2, strange(200))]:
        drift.count("one", profile)
        move_drift_back(redis, "one", days_ago)
    drift.count("one", ordinary(MIN_ITEMS - 1))  # too few to change anything
    found = {alert.feature: alert for alert in alerts(drift.read(), drift.today())}
    assert set(found) == {*DriftFeature, ACCURACY}
    assert {alert.since for alert in found.values()} == {drift.today() - timedelta(days=4)}
    assert found[DriftFeature.UNKNOWN].detail == "unknown words 'all': 100.0% of the items, 0.0% in validation"
    assert found[DriftFeature.UNKNOWN].value > found[DriftFeature.UNKNOWN].threshold >= 0.2
    assert found[ACCURACY].value == pytest.approx(0.3)
    assert found[ACCURACY].value < found[ACCURACY].threshold
    assert {TrainingIn.model_validate(alert.proposal).promote for alert in found.values()} == {PromotePolicy.MANUAL}


def test_an_alert_ends_with_the_first_ordinary_day(drift: Drift, redis: Redis) -> None:
    drift.publish("one", reference())
    drift.count("one", strange(200))
    move_drift_back(redis, "one", 1)
    assert DriftFeature.PICTURE in standing(drift)
    drift.count("one", ordinary(200))
    assert standing(drift) == set()


def test_days_with_few_items_are_judged_by_the_week(drift: Drift, redis: Redis) -> None:
    drift.publish("one", reference())
    drift.count("one", strange(MIN_ITEMS // 2))
    assert standing(drift) == set()
    move_drift_back(redis, "one", 2)
    drift.count("one", strange(MIN_ITEMS // 2))
    assert DriftFeature.UNKNOWN in standing(drift)


def test_a_model_that_no_longer_answers_has_no_alerts(drift: Drift, redis: Redis) -> None:
    drift.publish("old", reference())
    drift.count("old", strange(500))
    move_drift_back(redis, "old", 1)
    assert standing(drift)
    drift.publish("new", reference())
    drift.count("new", ordinary(10))
    assert standing(drift) == set()


def test_nothing_can_be_said_against_no_reference(drift: Drift, front: TestClient) -> None:
    drift.count("one", strange(500))
    (model,) = front.get("/v1/drift").json()["bundles"]
    assert model["reference"] is None
    assert model["week"]["distances"] == []
    assert model["week"]["estimate"]["accuracy"] == 0.3
    assert standing(drift) == set()


def test_labels_tell_how_wrong_the_estimate_was(drift: Drift, front: TestClient) -> None:
    drift.count("one", ordinary(200))
    yesterday = drift.today() - timedelta(days=1)
    for number in range(10):
        drift.label("one", drift.today(), 0.9, right=number < 6)
    drift.label("one", yesterday, 0.5, right=True)
    (model,) = front.get("/v1/drift").json()["bundles"]
    before, today = model["days"]
    assert (before["last"], before["items"], before["estimate"]) == (str(yesterday), 0, None)
    assert before["labels"]["accuracy"] == 1
    assert today["labels"] == {
        "items": 10,
        "accuracy": 0.6,
        "standard_error": pytest.approx(0.13, abs=0.01),
        "estimated_accuracy": 0.9,
        "estimate_error": 0.3,
    }
    assert model["week"]["labels"]["items"] == 11


def test_the_answer_shows_the_days_and_the_bundle_that_were_asked_for(
    drift: Drift, redis: Redis, front: TestClient
) -> None:
    for days_ago in (20, 3):
        drift.count("one", ordinary(20))
        move_drift_back(redis, "one", days_ago)
    drift.count("other", ordinary(20))

    def shown(query: str) -> dict[str, int]:
        bundles = front.get(f"/v1/drift{query}").raise_for_status().json()["bundles"]
        return {bundle["bundle"]: len(bundle["days"]) for bundle in bundles}

    assert shown("") == {"other": 1, "one": 1}
    assert shown("?days=30") == {"other": 1, "one": 2}
    assert shown("?days=2") == {"other": 1}
    assert shown("?bundle=one&days=30") == {"one": 2}
    assert shown("?bundle=nobody") == {}
    assert front.get("/v1/drift?days=0").status_code == 422


def gauges(text: str) -> dict[tuple[str, ...], float]:
    """By name and the labels' values, in the order of the labels' names: bundle, feature, window."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_reads_the_same(drift: Drift, redis: Redis, front: TestClient) -> None:
    drift.publish("one", reference())
    drift.count("one", ordinary(300))
    move_drift_back(redis, "one", 2)
    drift.count("one", strange(200))
    drift.label("one", drift.today(), 0.3, right=False)
    drift.count("retired", ordinary(300))
    move_drift_back(redis, "retired", 9)

    told, scraped = front.get("/v1/drift").json()["bundles"][0], front.get("/metrics")
    assert scraped.headers["Content-Type"].startswith("text/plain; version=")
    found = gauges(scraped.text)
    assert found["catalog_answered_items", "one", "today"] == 200
    assert found["catalog_answered_items", "one", "7d"] == 500
    assert found["catalog_drift_alert", "one", "picture"] == 1
    assert found["catalog_estimated_accuracy", "one", "today"] == pytest.approx(0.3)
    assert found["catalog_labelled_accuracy", "one", "today"] == 0
    assert found["catalog_labelled_items", "one", "7d"] == 1
    assert found["catalog_reference_accuracy", "one"] == 0.83
    for distance in told["week"]["distances"]:
        key = ("one", distance["feature"], "7d")
        assert found["catalog_drift_psi", *key] == pytest.approx(distance["psi"], abs=1e-4)
        assert found["catalog_drift_psi_threshold", *key] == pytest.approx(distance["threshold"], abs=1e-4)
    assert not [key for key in found if "retired" in key]


def test_an_alert_that_is_over_is_told_as_zero(drift: Drift, front: TestClient) -> None:
    drift.publish("one", reference())
    drift.count("one", ordinary(300))
    found = gauges(front.get("/metrics").text)
    assert [found["catalog_drift_alert", "one", feature] for feature in (*DriftFeature, ACCURACY)] == [0] * (
        len(DriftFeature) + 1
    )


def test_figures_over_all_tenants_need_their_own_scope(front: TestClient, redis: Redis) -> None:
    """Else a tenant would learn how much the others send."""
    keys = KeyStore(redis)
    _, tenants = keys.create("shop", set(Scope) - {Scope.OBSERVE})
    _, watchers = keys.create("operations", [Scope.OBSERVE])
    for path in ("/v1/drift", "/metrics"):
        assert client_of(front.app, key=tenants).get(path).status_code == 403  # type: ignore[arg-type]
        assert client_of(front.app, key=watchers).get(path).status_code == 200  # type: ignore[arg-type]


# The whole way


def validation_items(workspace: Workspace, trained: Trained) -> list[dict[str, Any]]:
    """Items as a client would send them."""
    products = pd.read_parquet(workspace.folder / IMPORTED / "products.parquet").set_index("row")
    pictures = dict(iter_pictures(workspace.folder / IMPORTED / "pictures.parquet"))
    items = []
    for row in trained.prepared.split(VALIDATION).rows:
        product = products.loc[row]
        item = {"title": product["title"], "description": product["description"]}
        item = {name: text for name, text in item.items() if not pd.isna(text)}
        if not pd.isna(product["picture"]):
            item["image"] = {"base64": in_base64(pictures[product["picture"]])}
        items.append(item)
    return items


def test_from_an_ordinary_job_to_a_strange_one_and_an_alert(
    stack: Stack, api: httpx.Client, workspace: Workspace, trained: Trained
) -> None:
    bundle, validation = trained.bundle.id, trained.bundle.reference
    assert validation is not None
    with Redis(port=stack.ports.redis) as redis:  # other tests have sent what they liked
        forget_drift(redis)
    ordinary_items = validation_items(workspace, trained)
    times = -(-MIN_ITEMS // len(ordinary_items))

    def classified(items: list[dict[str, Any]]) -> None:
        body = {"items": [{"id": str(index), **item} for index, item in enumerate(items)]}
        accepted = api.post("/v1/jobs", json=body).raise_for_status().json()
        assert finished(api, accepted["url"])["counts"]["succeeded"] == len(items)

    def answer(items: int) -> dict[str, Any] | None:
        """The bundle's drift once this many items are counted, which happens after the commit."""
        found: dict[str, Any] = api.get("/v1/drift", params={"bundle": bundle}).raise_for_status().json()
        bundles = found["bundles"]
        return found if bundles and bundles[0]["reference"] and bundles[0]["week"]["items"] == items else None

    # The validation split through HTTP, Redis and the engine: what training saw to the item, cached answers too.
    for _ in range(times):
        classified(ordinary_items)
    sent = times * len(ordinary_items)
    told = wait_for("the ordinary items are counted", lambda: answer(sent))
    same = {"words", "unknown_words", "picture"}
    week = {distance["feature"]: distance for distance in told["bundles"][0]["week"]["distances"]}
    assert {feature: week[feature]["jensen_shannon"] for feature in same} == dict.fromkeys(same, 0)
    assert told["bundles"][0]["reference"]["items"] == len(ordinary_items)
    assert not same & {alert["feature"] for alert in told["alerts"]}

    classified([{"title": f"qzx{index}w vvkq{index}j jjxw{index}"} for index in range(12 * sent)])
    told = wait_for("the strange items are counted", lambda: answer(13 * sent))
    standing = {alert["feature"]: alert for alert in told["alerts"]}
    assert {"unknown_words", "picture"} <= set(standing)
    assert standing["unknown_words"]["since"] == told["today"]
    assert standing["unknown_words"]["proposal"]["promote"] == "manual"
    scraped = gauges(api.get("/metrics").text)
    assert scraped["catalog_drift_alert", bundle, "unknown_words"] == 1
