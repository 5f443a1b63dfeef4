"""Names of categories in answers: those of the taxonomy in force, in the caller's language."""

import csv
import io
from typing import Any

import httpx
import pytest
from redis import Redis

from shared.drift import Drift
from shared.drift.profile import Profile, Reference, Seen
from shared.ledger import Guess, ItemStatus, Ledger, Outcome
from shared.settings import Settings
from shared.stores.taxonomies import Taxonomies
from shared.stores.taxonomy_in_force import PublishedBundle, PublishedTaxonomies
from tests.http import local_client
from tests.integration.taxonomy.conftest import BUNDLE, SHOES, taxonomy_of
from tests.redis_state import forget_published_taxonomy


@pytest.fixture
def job(shop: httpx.Client, redis: Redis) -> str:
    """A job whose item is a boot, or else a hat, or something of a model of long ago."""
    created = shop.post("/v1/jobs", json={"items": [{"id": "a", "title": "Botte"}]}).raise_for_status().json()
    ledger = Ledger(redis)
    lease = ledger.lease("interactive")
    assert lease is not None
    guesses = (Guess("BOOT", 0.9), Guess("HAT", 0.05), Guess("=GONE", 0.01))
    ledger.commit(lease, BUNDLE.id, [Outcome(0, "a", ItemStatus.SUCCEEDED, guesses=guesses)])
    return str(created["id"])


def names(shop: httpx.Client, job: str, language: str | None = None, **params: Any) -> list[str]:
    headers = {} if language is None else {"Accept-Language": language}
    answer = shop.get(f"/v1/jobs/{job}/results", params=params, headers=headers)
    assert answer.headers["vary"] == "Accept-Language, Cookie"
    (result,) = answer.raise_for_status().json()["results"]
    return [each["name"] for each in (result["category"], *result["alternatives"])]


def test_names_are_in_the_language_that_is_asked_for(shop: httpx.Client, job: str) -> None:
    assert names(shop, job) == ["Bottes", "Chapeaux", "=GONE"]
    assert names(shop, job, "en-GB,en;q=0.9") == ["Boots", "Hats", "=GONE"]
    assert names(shop, job, "de, en;q=0") == ["Bottes", "Chapeaux", "=GONE"]
    assert names(shop, job, "de", lang="en") == ["Boots", "Hats", "=GONE"]
    assert names(shop, job, "," * 3000 + "en", lang="de-CH") == ["Bottes", "Chapeaux", "=GONE"]
    refused = shop.get(f"/v1/jobs/{job}/results", params={"lang": "english, please"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/query/lang")


def test_names_follow_the_taxonomy_that_is_put(shop: httpx.Client, job: str, redis: Redis, settings: Settings) -> None:
    after = taxonomy_of("BOOT,Bottes hautes,High boots", "CLOG,Sabots", "HAT,Chapeaux")
    assert names(shop, job, lang="en") == ["Boots", "Hats", "=GONE"]
    Taxonomies(redis, settings.labels_url).put(after, replaces=0, tenant="shop", key=None, changes={})
    assert names(shop, job, lang="en") == ["High boots", "Chapeaux", "=GONE"]


def test_a_category_that_is_gone_has_the_name_that_the_results_own_bundle_gives_it(
    shop: httpx.Client, job: str, redis: Redis, settings: Settings
) -> None:
    after = taxonomy_of("HAT,Couvre-chefs,Headwear", "SANDAL,Sandales,Sandals")
    Taxonomies(redis, settings.labels_url).put(after, replaces=0, tenant="shop", key=None, changes={})
    later = PublishedBundle("ba9876543210", after, ("HAT",))
    PublishedTaxonomies(redis, 90).publish(later, taken_over=True)
    assert names(shop, job, lang="en") == ["Boots", "Headwear", "=GONE"]
    for form in ("ndjson", "csv", "parquet"):
        answer = shop.get(f"/v1/jobs/{job}/results", params={"format": form, "lang": "en"}).raise_for_status()
        assert b"Boots" in answer.content

    forget_published_taxonomy(redis, BUNDLE.id)
    with local_client(settings) as another_process:
        assert names(another_process, job, lang="en") == ["BOOT", "Headwear", "=GONE"]


@pytest.mark.parametrize("form", ["ndjson", "csv", "csv-raw", "parquet"])
def test_files_are_written_in_the_language_too(shop: httpx.Client, job: str, form: str) -> None:
    for language, name in (("en", b"Boots"), ("fr", b"Bottes")):
        answer = shop.get(f"/v1/jobs/{job}/results", params={"format": form, "lang": language}).raise_for_status()
        assert name in answer.content
        assert answer.headers["vary"] == "Accept-Language, Cookie"
        if form == "csv":
            (row,) = csv.DictReader(io.StringIO(answer.text))
            assert (row["code"], row["category"]) == ("BOOT", name.decode())


def test_drift_names_the_category_that_moves_most(shop: httpx.Client, redis: Redis) -> None:
    drift = Drift(redis, 90)
    usual = Profile.of([Seen("BOOT", 0.9, 8, 0.0, True)] * 900 + [Seen("HAT", 0.9, 8, 0.0, True)] * 100)
    drift.publish(BUNDLE.id, Reference(accuracy=0.9, counts=dict(usual.counts)))
    drift.count(BUNDLE.id, Profile.of([Seen("HAT", 0.9, 8, 0.0, True)] * 500))

    answer = shop.get("/v1/drift", params={"lang": "en"}).raise_for_status().json()

    (alert,) = [alert for alert in answer["alerts"] if alert["feature"] == "type"]
    assert alert["detail"].startswith("type 'Boots': 0.0% of the items, 90.0% in validation")


def test_shares_are_those_of_the_validation_split_with_merges_applied(
    shop: httpx.Client, redis: Redis, settings: Settings
) -> None:
    seen = [("BOOT", 60), ("CLOG", 30), ("HAT", 10)]
    profile = Profile.of(Seen(code, 0.9, 8, 0.0, True) for code, count in seen for _ in range(count))
    before = {each["code"]: each["share"] for each in shop.get("/v1/taxonomy").json()["categories"]}
    assert set(before.values()) == {None}
    Drift(redis, 90).publish(BUNDLE.id, Reference(accuracy=0.9, counts=dict(profile.counts)))
    shares = {each["code"]: each["share"] for each in shop.get("/v1/taxonomy").json()["categories"]}
    assert shares == {"SHOES": None, "BOOT": 0.6, "CLOG": 0.3, "HAT": 0.1}

    after = taxonomy_of("SHOES,Chaussures", "BOOT,Bottes,,SHOES", "CLOG,Sabots,,SHOES,BOOT", "HAT,Chapeaux")
    Taxonomies(redis, settings.labels_url).put(after, replaces=0, tenant="shop", key=None, changes={})
    shares = {each["code"]: each["share"] for each in shop.get("/v1/taxonomy").json()["categories"]}
    assert shares == {"SHOES": None, "BOOT": 0.9, "CLOG": None, "HAT": 0.1}


def test_precision_is_that_of_the_validation_split_where_it_was_counted(
    shop: httpx.Client, redis: Redis, settings: Settings
) -> None:
    def precisions() -> dict[str, float | None]:
        return {each["code"]: each["precision"] for each in shop.get("/v1/taxonomy").json()["categories"]}

    seen = [("BOOT", 60), ("CLOG", 5), ("HAT", 4)]
    counts = dict(Profile.of(Seen(code, 0.9, 8, 0.0, True) for code, count in seen for _ in range(count)).counts)
    Drift(redis, 90).publish(BUNDLE.id, Reference(accuracy=0.9, counts=counts, right={"BOOT": 40, "HAT": 4}))
    assert precisions() == {"SHOES": None, "BOOT": 0.6667, "CLOG": 0, "HAT": None}

    older = PublishedBundle("ba9876543210", SHOES, BUNDLE.codes)
    PublishedTaxonomies(redis, 90).publish(older, taken_over=True)
    Drift(redis, 90).publish(older.id, Reference(accuracy=0.9, counts=counts))
    assert set(precisions().values()) == {None}

    PublishedTaxonomies(redis, 90).publish(BUNDLE, taken_over=True)
    merged = taxonomy_of("BOOT,Bottes", "CLOG,Sabots", "HAT,Chapeaux,,,CLOG")
    Taxonomies(redis, settings.labels_url).put(merged, replaces=0, tenant="shop", key=None, changes={})
    assert precisions() == {"BOOT": 0.6667, "CLOG": None, "HAT": None}
