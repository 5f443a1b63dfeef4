"""What a worker finds in the memory: decisions about equal items, with the categories that are in force."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from redis import Redis

from api.decisions.index import DecisionIndex
from shared.ledger import Guess, QueuedItem
from shared.settings import Settings
from shared.stores.decisions import DecisionStore
from shared.taxonomy import RAKUTEN, Taxonomy
from tests.integration.decisions.conftest import Classified, decided, undo
from tests.redis_state import lose_decision_index
from worker.classify.remembered import RememberedItems

POOL, BOOK = "2583", "10"
ITEM = QueuedItem(5, "again", title="Piscine ronde")


def taxonomy_with(code: str, **changes: Any) -> Taxonomy:
    categories = RAKUTEN.categories
    return Taxonomy(tuple(replace(each, **changes) if each.code == code else each for each in categories))


@pytest.fixture
def memory(redis: Redis) -> RememberedItems:
    return RememberedItems(redis)


@pytest.fixture
def job(api: httpx.Client, classified: Classified) -> str:
    """A job in which a person has decided about an item like `ITEM`."""
    job = classified(api, [{"title": "piscine RONDE"}, {"title": "Livre"}])
    decided(api, {"job_id": job, "index": 0, "category": POOL, "by": "anna"})
    return job


def test_the_answer_is_the_decision_with_its_path(memory: RememberedItems, job: str) -> None:
    outcome = memory.answers("local", [ITEM, replace(ITEM, index=6, title="Autre")], RAKUTEN).outcomes[5]
    above = tuple(Guess(category.code, 1.0) for category in RAKUTEN.path(POOL)[:-1])
    assert (outcome.guesses, outcome.path, outcome.sure) == ((Guess(POOL, 1.0),), above, len(above) + 1)
    assert (outcome.index, outcome.id, outcome.needs_review) == (5, "again", False)


def test_other_tenants_and_other_pictures_do_not_profit(memory: RememberedItems, job: str) -> None:
    assert not memory.answers("acme", [ITEM], RAKUTEN).outcomes
    link = "https://shop.example/pool.jpg"
    for other in (replace(ITEM, blob="a" * 64), replace(ITEM, url=link), replace(ITEM, description="bleue")):
        answers = memory.answers("local", [other], RAKUTEN)
        assert (answers.outcomes, [*answers.near]) == ({}, [5]), "they are near copies"


def test_a_category_counts_as_what_it_is_now(memory: RememberedItems, job: str) -> None:
    merged = memory.answers("local", [ITEM], taxonomy_with(POOL, moved_to=BOOK))
    assert merged.outcomes[5].guesses == (Guess(BOOK, 1.0),)
    assert not memory.answers("local", [ITEM], taxonomy_with(POOL, retired=True)).outcomes
    gone = Taxonomy(tuple(each for each in RAKUTEN.categories if each.code != POOL))
    assert not memory.answers("local", [ITEM], gone).outcomes


def test_people_whose_categories_were_merged_agree(
    api: httpx.Client, memory: RememberedItems, job: str, classified: Classified
) -> None:
    again = classified(api, [{"title": "Piscine ronde"}])
    decided(api, {"job_id": again, "index": 0, "category": BOOK, "by": "ben"})
    apart = memory.answers("local", [ITEM], RAKUTEN).outcomes[5]
    assert (apart.guesses, apart.needs_review, apart.sure) == ((Guess(BOOK, 0.5), Guess(POOL, 0.5)), True, 0)
    together = memory.answers("local", [ITEM], taxonomy_with(POOL, moved_to=BOOK)).outcomes[5]
    assert (together.guesses, together.needs_review) == ((Guess(BOOK, 1.0),), False)


def test_the_memory_is_made_again_from_the_files(
    api: httpx.Client, memory: RememberedItems, job: str, redis: Redis, settings: Settings, store: DecisionStore
) -> None:
    decided(api, {"job_id": job, "index": 1, "category": POOL, "by": "anna"})
    undo(api, by="anna")
    lose_decision_index(redis)
    assert not memory.answers("local", [ITEM], RAKUTEN).outcomes
    DecisionIndex(redis, store, keep_s=1).catch_up()
    items = [ITEM, QueuedItem(6, "book", title="livre")]
    assert list(memory.answers("local", items, RAKUTEN).outcomes) == [5]
