"""Labels by the taxonomy in force: codes, names, merges, and categories that no model knows yet."""

import time
from typing import Any

import httpx
import pytest
from redis import Redis

from shared.ledger import Guess, ItemStatus, Ledger, Outcome
from shared.settings import Settings
from shared.stores.labels import LabelStore
from shared.stores.taxonomies import Taxonomies
from shared.taxonomy import Taxonomy, read
from tests.integration.taxonomy.conftest import taxonomy_of

AFTER = taxonomy_of(
    "SHOES,Chaussures,Shoes",
    "BOOT,Bottes,Boots,SHOES",
    "CLOG,Sabots,Clogs,SHOES,BOOT",
    "HAT,Chapeaux,Hats",
    "items,Divers,Other things",
    "OLD,Vieux,Old,,,yes",
    "TOYS,Jouets,Toys",
    "TOYBOOT,Bottes,Doll's boots,TOYS",
)


@pytest.fixture
def store(settings: Settings) -> LabelStore:
    return LabelStore(settings.labels_url)


@pytest.fixture(autouse=True)
def changed(shop: httpx.Client, redis: Redis, settings: Settings) -> None:
    Taxonomies(redis, settings.labels_url).put(AFTER, replaces=0, tenant="shop", key=None, changes={})


def send(shop: httpx.Client, *codes: str) -> httpx.Response:
    labels = [{"title": f"Article {number}", "code": code} for number, code in enumerate(codes)]
    return shop.post("/v1/labels", json={"labels": labels})


def test_labels_name_categories_as_people_do_and_follow_merges(shop: httpx.Client, store: LabelStore) -> None:
    written = ("BOOT", "hat", " Clogs ", "CLOG", "Hats", "jouets > bottes", "TOYBOOT")
    assert send(shop, *written).status_code == 201
    assert [label.code for label in store.labels()] == ["BOOT", "HAT", "BOOT", "BOOT", "HAT", "TOYBOOT", "TOYBOOT"]


@pytest.mark.parametrize(
    ("written", "code", "detail"),
    [
        ("Chapeau", "unknown_category", "did you mean 'HAT' (Chapeaux)? GET /v1/taxonomy lists the categories"),
        ("Bottes", "unknown_category", "is the name of 2 categories, such as 'BOOT' (Bottes), 'TOYBOOT' (Bottes)"),
        ("OLD", "retired_category", "'OLD' (Vieux) is retired"),
        (
            "SHOES",
            "group_of_categories",
            "'SHOES' (Chaussures) holds other categories: name one of those, such as 'BOOT'",
        ),
        ("x" * 1001, "string_too_long", "at most 1000 characters"),
    ],
)
def test_what_is_no_category_for_an_item_says_what_to_do(
    shop: httpx.Client, written: str, code: str, detail: str
) -> None:
    answer = send(shop, written)

    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/labels/0/code", code)
    assert detail in error["detail"]


def test_a_label_agrees_with_an_answer_that_was_merged_since(
    shop: httpx.Client, store: LabelStore, redis: Redis
) -> None:
    job = shop.post("/v1/jobs", json={"items": [{"id": "a", "title": "Sabot"}]}).json()["id"]
    ledger = Ledger(redis)
    lease = ledger.lease("interactive")
    assert lease is not None
    ledger.commit(lease, "b1", [Outcome(0, "a", ItemStatus.SUCCEEDED, guesses=(Guess("CLOG", 0.9),))])

    out = shop.post("/v1/labels", json={"labels": [{"job_id": job, "item_id": "a", "code": "BOOT"}]}).json()

    assert (out["confirmations"], out["corrections"]) == (1, 0)
    (label,) = store.labels()
    assert (label.code, label.guess) == ("BOOT", "CLOG")


def category(shop: httpx.Client, code: str) -> dict[str, Any]:
    categories = shop.get("/v1/taxonomy").json()["categories"]
    return next(each for each in categories if each["code"] == code)


def test_an_untrained_category_counts_its_labels(shop: httpx.Client) -> None:
    assert (category(shop, "items")["state"], category(shop, "items")["labels"]) == ("untrained", 0)
    assert send(shop, "items", "items", "Other things", "BOOT").status_code == 201

    assert (category(shop, "items")["labels"], category(shop, "BOOT")["labels"]) == (3, None)
    counts = shop.get("/v1/labels").json()
    assert (counts["items"], counts["labels"], counts["codes"]) == (4, 4, {"BOOT": 1, "items": 3})


def test_many_unknown_categories_are_refused_soon(shop: httpx.Client, redis: Redis, settings: Settings) -> None:
    columns = ("code", "name")
    many = read(columns, ((line, {"code": f"C{line}", "name": f"Catégorie {line}"}) for line in range(5000)))
    big = Taxonomy((*AFTER.categories, *many.categories))
    Taxonomies(redis, settings.labels_url).put(big, replaces=1, tenant="shop", key=None, changes={})
    begun = time.perf_counter()

    answer = send(shop, *(f"Catgorie {number} ?" for number in range(3000)))

    assert answer.status_code == 422
    assert "did you mean" in answer.json()["errors"][0]["detail"]
    assert "did you mean" not in answer.json()["errors"][-1]["detail"]
    assert time.perf_counter() - begun < 30
