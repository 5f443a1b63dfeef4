"""Which decided items an explanation names: those in force of the tenant that are most like the item."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from api.decisions.index import DecisionIndex
from api.jobs.nearest import NearestItems
from shared.ledger import Ledger, QueuedItem
from shared.settings import Settings
from shared.stores.decisions import DecisionStore
from shared.taxonomy import RAKUTEN, Taxonomy
from shared.tenants.api_keys import KeyStore, Scope
from tests.integration.decisions.conftest import Classified, decided, undo
from tests.jobs import answered_next
from tests.redis_state import lose_decision_index

POOL, BOOK = "2583", "10"
ITEM = QueuedItem(0, "asked", title="Piscine tubulaire ronde bleue")
TITLES = ["Piscine tubulaire ronde", "Piscine ronde gonflable", "Livre de cuisine", "piscine TUBULAIRE ronde, bleue"]


def taxonomy_with(code: str, **changes: Any) -> Taxonomy:
    return Taxonomy(tuple(replace(each, **changes) if each.code == code else each for each in RAKUTEN.categories))


@pytest.fixture
def nearest(redis: Redis, store: DecisionStore) -> NearestItems:
    return NearestItems(redis, store)


@pytest.fixture
def job(api: httpx.Client, classified: Classified) -> str:
    return classified(api, [{"title": title} for title in TITLES])


def explanation(ledger: Ledger, ask: Callable[[], httpx.Response]) -> Any:
    """The answer to a request that waits for a worker, which the test plays."""
    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(answered_next, ledger)
        answer = ask()
        answered.result()
    assert answer.status_code == 200, answer.text
    return answer.json()


def named(nearest: NearestItems, tenant: str = "local", taxonomy: Taxonomy = RAKUTEN) -> list[tuple[str, str | None]]:
    return [(near.title or "", near.decided.code) for near in nearest.to(tenant, ITEM, taxonomy)]


def test_the_nearest_decided_items_come_first_and_the_item_itself_does_not(
    api: httpx.Client, nearest: NearestItems, job: str
) -> None:
    assert named(nearest) == []
    decided(api, *({"job_id": job, "index": index, "category": POOL, "by": "anna"} for index in (1, 2, 3)))
    decided(api, {"job_id": job, "index": 0, "none_of_these": True, "by": "ben"})
    assert named(nearest) == [(TITLES[0], None), (TITLES[1], POOL)]
    first, second = nearest.to("local", ITEM, RAKUTEN)
    assert (first.decided.by, second.decided.by) == ("ben", "anna")
    assert 1 > first.similarity > second.similarity >= 0.25
    assert named(nearest, tenant="acme") == []


def test_only_what_is_in_force_is_named(
    api: httpx.Client, nearest: NearestItems, job: str, classified: Classified
) -> None:
    decided(api, {"job_id": job, "index": 0, "category": POOL, "by": "anna"})
    assert named(nearest) == [(TITLES[0], POOL)]
    decided(api, {"job_id": classified(api, [{"title": TITLES[0]}]), "index": 0, "category": BOOK, "by": "ben"})
    assert named(nearest) == [(TITLES[0], BOOK)], "the same item was settled otherwise"
    undo(api, by="ben")
    assert named(nearest) == [(TITLES[0], POOL)]
    undo(api, by="anna")
    assert named(nearest) == []


def test_categories_are_named_as_they_are_now(api: httpx.Client, nearest: NearestItems, job: str) -> None:
    decided(api, {"job_id": job, "index": 0, "category": POOL})
    assert named(nearest, taxonomy=taxonomy_with(POOL, moved_to=BOOK)) == [(TITLES[0], BOOK)]
    assert named(nearest, taxonomy=taxonomy_with(POOL, retired=True)) == []
    gone = Taxonomy(tuple(each for each in RAKUTEN.categories if each.code != POOL))
    assert named(nearest, taxonomy=gone) == []


def test_at_most_three_are_named_with_a_short_title(
    api: httpx.Client, nearest: NearestItems, classified: Classified
) -> None:
    job = classified(api, [{"title": f"Piscine ronde bleue {'x' * length}"} for length in (1, 2, 300, 4, 5)])
    decided(api, *({"job_id": job, "index": index, "category": POOL} for index in range(5)))
    found = nearest.to("local", replace(ITEM, title="Piscine ronde bleue"), RAKUTEN)
    assert [(near.decided.place[-6:], len(near.title or "")) for near in found] == [
        ("000004", 25),
        ("000003", 24),
        ("000002", 200),
    ], "the latest first of those that are equally near"


def test_nothing_is_forgotten_when_the_index_is_made_again(
    api: httpx.Client, nearest: NearestItems, job: str, redis: Redis, settings: Settings, store: DecisionStore
) -> None:
    decided(api, {"job_id": job, "index": 0, "category": POOL})
    expected = named(nearest)
    lose_decision_index(redis)
    assert named(NearestItems(redis, store)) == []
    DecisionIndex(redis, store, keep_s=1000).catch_up()
    assert named(NearestItems(redis, store)) == named(nearest) == expected != []


def test_while_decisions_cannot_be_read_none_is_named(
    api: httpx.Client, redis: Redis, job: str, store: DecisionStore, tmp_path: Path
) -> None:
    decided(api, {"job_id": job, "index": 0, "category": POOL})
    (tmp_path / "labels").rename(tmp_path / "away")
    assert named(NearestItems(redis, store)) == []
    (tmp_path / "away").rename(tmp_path / "labels")
    assert named(NearestItems(redis, store)) == [(TITLES[0], POOL)]


# Over HTTP


def test_an_explanation_and_a_prediction_name_them(
    api: httpx.Client, ledger: Ledger, job: str, classified: Classified
) -> None:
    url = f"/v1/jobs/{classified(api, [{'title': ITEM.title}])}/items/0/explanation"
    assert explanation(ledger, lambda: api.get(url))["nearest"] == []
    decided(api, {"job_id": job, "index": 0, "category": POOL, "by": "anna"})
    decided(api, {"job_id": job, "index": 1, "none_of_these": True, "note": "une bouée", "by": "ben"})
    first, second = explanation(ledger, lambda: api.get(url))["nearest"]
    assert {name: first[name] for name in ("category", "by", "note", "title")} == {
        "category": {"code": POOL, "name": "Piscines et accessoires"},
        "by": "anna",
        "note": None,
        "title": TITLES[0],
    }
    assert (second["category"], second["by"], second["note"], second["title"]) == (None, "ben", "une bouée", TITLES[1])
    assert 1 > first["similarity"] > second["similarity"] >= 0.25
    assert first["at"] < second["at"]
    asked = {"description": ITEM.title}
    predicted = explanation(ledger, lambda: api.post("/predict", params={"explain": True}, json=asked))["explanation"]
    assert predicted["nearest"] == [first, second]
    assert (predicted["memory"]["id"], predicted["memory"]["match"]) == (first["id"], "near")


def test_no_other_tenant_is_told(api: httpx.Client, ledger: Ledger, job: str, classified: Classified) -> None:
    decided(api, {"job_id": job, "index": 0, "category": POOL})
    keys = KeyStore(api.app.state.stores.redis)  # type: ignore[attr-defined]
    api.headers["Authorization"] = f"Bearer {keys.create('acme', [Scope.CLASSIFY, Scope.REVIEW])[1]}"
    own = classified(api, [{"title": ITEM.title}, {"title": "Piscine ronde"}])
    url = f"/v1/jobs/{own}/items/0/explanation"
    assert explanation(ledger, lambda: api.get(url))["nearest"] == []
    decided(api, {"job_id": own, "index": 1, "category": BOOK})
    assert [near["title"] for near in explanation(ledger, lambda: api.get(url))["nearest"]] == ["Piscine ronde"]
