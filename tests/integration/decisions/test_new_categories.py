"""Columns fitted to decisions for a category that the bundle in service does not know, and what is made of them."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from redis import Redis

from api.decisions.index import DecisionIndex
from shared.ledger import Guess, Outcome, ProvisionalColumns, QueuedItem
from shared.model.column import unpack
from shared.model.projection import Projection
from shared.settings import Settings
from shared.stores.decisions import DecisionStore
from shared.stores.taxonomy_in_force import PublishedBundle, PublishedTaxonomies
from shared.taxonomy import RAKUTEN, Taxonomy
from tests.integration.decisions.conftest import Classified, decided, undo
from tests.redis_state import lose_decision_index
from worker.classify.provisional import ProvisionalCategories
from worker.housekeeping.new_categories import NewCategories

CODES = tuple(leaf.code for leaf in RAKUTEN.leaves)
SCOPE = "SCOPE"
TOY = RAKUTEN.by_code["1302"]
GROWN = Taxonomy((*RAKUTEN.categories, replace(TOY, code=SCOPE, name="Télescopes")))
EXAMPLES = [f"Télescope astronomique {brand}" for brand in ("Orion", "Zeiss", "Bresser", "Meade", "Nikon", "Vixen")]
LIKE, UNLIKE = QueuedItem(3, "like", title="Télescope astronomique Celestron"), QueuedItem(4, "unlike", title="Livre 7")
MODEL = Outcome(0, "", guesses=(Guess("1302", 0.8), Guess("10", 0.1)), path=(Guess("toys", 0.9),), sure=2)


@pytest.fixture
def housekeeper(redis: Redis, settings: Settings) -> NewCategories:
    serve(redis, GROWN)
    return NewCategories(redis, settings)


@pytest.fixture
def examples(api: httpx.Client, classified: Classified, housekeeper: NewCategories) -> str:
    """A job of texts like telescopes, behind many others."""
    classified(api, [{"title": f"Livre {index} broché"} for index in range(80)])
    return classified(api, [{"title": title} for title in EXAMPLES])


def serve(redis: Redis, taxonomy: Taxonomy, codes: tuple[str, ...] = CODES, bundle: str = "one") -> None:
    PublishedTaxonomies(redis, 90).publish(PublishedBundle(bundle, taxonomy, codes), taken_over=True)


def decide(api: httpx.Client, job: str, *indices: int, category: str = SCOPE, by: str = "anna") -> None:
    decided(api, *({"job_id": job, "index": index, "category": category, "by": by} for index in indices))


def codes(redis: Redis, tenant: str = "local") -> list[str]:
    version, packed = ProvisionalColumns(redis).read(tenant)
    return [column.code for column in unpack(packed)] if version else []


def named(redis: Redis, *items: QueuedItem, tenant: str = "local", taxonomy: Taxonomy = GROWN) -> list[Outcome]:
    outcomes = [replace(MODEL, index=item.index, id=item.id) for item in items]
    return ProvisionalCategories(redis).named(tenant, items, outcomes, Projection(CODES, taxonomy))


def test_five_different_examples_are_enough(
    api: httpx.Client, redis: Redis, housekeeper: NewCategories, examples: str, classified: Classified
) -> None:
    decide(api, examples, 0, 1, 2, 3)
    decide(api, classified(api, [{"title": EXAMPLES[0]}]), 0)
    housekeeper.fit_due()
    assert codes(redis) == []
    decide(api, examples, 4)
    housekeeper.fit_due()
    assert codes(redis) == [SCOPE]
    undo(api, by="anna")
    housekeeper.fit_due()
    assert codes(redis) == []


def test_a_like_item_gets_the_category_and_the_models_answers_behind_it(
    api: httpx.Client, redis: Redis, housekeeper: NewCategories, examples: str
) -> None:
    decide(api, examples, 0, 1, 2, 3, 4)
    housekeeper.fit_due()
    like, unlike = named(redis, LIKE, UNLIKE)
    assert unlike == replace(MODEL, index=4, id="unlike")
    assert [guess.code for guess in like.guesses] == [SCOPE, "1302"]
    assert (like.provisional, like.needs_review, like.id) == (True, True, "like")
    shares = [like.path[0].confidence, *(guess.confidence for guess in like.guesses)]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares[1:]) <= 1
    assert ([guess.code for guess in like.path], like.sure) == (["toys"], 1), "the bundle was sure of the toys, too"


def test_other_tenants_and_bundles_that_know_the_category_have_no_column(
    api: httpx.Client, redis: Redis, housekeeper: NewCategories, examples: str
) -> None:
    decide(api, examples, 0, 1, 2, 3, 4)
    housekeeper.fit_due()
    assert not named(redis, LIKE, tenant="acme")[0].provisional
    for taxonomy in (RAKUTEN, grown(retired=True), grown(moved_to="1302")):
        assert not named(redis, LIKE, taxonomy=taxonomy)[0].provisional
    trained = Projection((*CODES, SCOPE), GROWN)
    assert ProvisionalCategories(redis).named("local", [LIKE], [replace(MODEL, index=3)], trained) == [
        replace(MODEL, index=3)
    ]
    serve(redis, GROWN, (*CODES, SCOPE), "two")
    housekeeper.fit_due()
    assert codes(redis) == []


def test_a_category_that_was_merged_into_another_new_one_counts_for_that(
    api: httpx.Client, redis: Redis, housekeeper: NewCategories, examples: str
) -> None:
    decide(api, examples, 0, 1, 2, 3, 4)
    optics = Taxonomy((*grown(moved_to="OPTICS").categories, replace(TOY, code="OPTICS", name="Optique")))
    serve(redis, optics, bundle="two")
    housekeeper.fit_due()
    assert codes(redis) == ["OPTICS"]


def test_columns_are_made_again_as_they_were(
    api: httpx.Client,
    redis: Redis,
    housekeeper: NewCategories,
    examples: str,
    settings: Settings,
    store: DecisionStore,
) -> None:
    decide(api, examples, 0, 1, 2, 3, 4)
    housekeeper.fit_due()
    made = ProvisionalColumns(redis).read("local")
    lose_decision_index(redis)
    assert not named(redis, LIKE)[0].provisional
    DecisionIndex(redis, store, keep_s=3600).catch_up()
    NewCategories(redis, settings).fit_due()
    assert ProvisionalColumns(redis).read("local") == made


def grown(**changes: Any) -> Taxonomy:
    """The taxonomy with another form of the new category."""
    return Taxonomy(tuple(replace(each, **changes) if each.code == SCOPE else each for each in GROWN.categories))
