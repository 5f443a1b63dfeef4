"""Which answers are accepted, and which of those are audited."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from redis import Redis

from shared.ledger import AuditKind, Guess, Lease, Outcome, PromiseRecord, Promises, ThresholdMove
from shared.model.bundle import Bundle
from shared.model.review import Review
from shared.settings import ROOT
from training.pipeline.layout import STARTER
from worker.classify.acceptance import AcceptedAnswers, judged

SHARE = 0.01
CODES = [str(number) for number in range(20)]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(ROOT / STARTER)


@pytest.fixture
def acceptance(redis: Redis, bundle: Bundle) -> AcceptedAnswers:
    made = AcceptedAnswers(redis, SHARE)
    made.publish(bundle)
    return made


def lease(job: str = "a" * 24) -> Lease:
    return Lease(job, 0, [], 1, tenant="acme")


def answers(number: int, seed: int = 1) -> list[Outcome]:
    chance = random.Random(seed)
    return [
        Outcome(
            index, f"sku-{index}", guesses=(Guess(chance.choice(CODES), 0.97),), needs_review=index % 3 == 0, sure=1
        )
        for index in range(number)
    ]


def kinds(outcomes: list[Outcome]) -> Counter[AuditKind | None]:
    return Counter(outcome.audited for outcome in outcomes)


def test_a_share_of_the_accepted_answers_is_audited_and_no_more_than_twice_that(
    acceptance: AcceptedAnswers, bundle: Bundle
) -> None:
    found = acceptance.of(lease(), bundle, answers(6000))
    assert not any(outcome.audited for outcome in found if outcome.needs_review)
    counted = kinds(found)
    assert 20 <= counted[AuditKind.DRAWN] <= 65, "of 4,000 accepted ones"
    assert 0 < counted[AuditKind.FLOOR] <= 40
    of_category = Counter(outcome.guesses[0].code for outcome in found if outcome.audited)
    assert max(of_category.values()) >= 5


def test_a_chunk_that_is_computed_twice_draws_the_same(
    acceptance: AcceptedAnswers, redis: Redis, bundle: Bundle
) -> None:
    def drawn(by: AcceptedAnswers, job: str) -> set[int]:
        return {each.index for each in by.of(lease(job), bundle, answers(3000)) if each.audited is AuditKind.DRAWN}

    assert drawn(acceptance, "a" * 24) == drawn(AcceptedAnswers(redis, SHARE), "a" * 24)
    assert drawn(acceptance, "a" * 24) != drawn(acceptance, "b" * 24)


def test_answers_are_counted_by_confidence(acceptance: AcceptedAnswers, redis: Redis, bundle: Bundle) -> None:
    acceptance.of(lease(), bundle, answers(300))
    record = PromiseRecord(redis)
    assert record.answers("acme", bundle.id, 1) == {194: 300}
    assert sum(record.accepted("acme").values()) == 200


def test_nothing_is_audited_of_what_is_explained_or_with_a_share_of_zero(
    acceptance: AcceptedAnswers, redis: Redis, bundle: Bundle
) -> None:
    assert kinds(acceptance.of(replace(lease(), explain=True), bundle, answers(3000))) == {None: 3000}
    assert kinds(AcceptedAnswers(redis, 0).of(lease(), bundle, answers(3000))) == {None: 3000}


def test_the_threshold_of_the_tenant_decides_for_the_bundle_that_it_was_set_for(
    acceptance: AcceptedAnswers, redis: Redis, bundle: Bundle
) -> None:
    promises, outcomes = Promises(redis), answers(3)
    assert promises.move("acme", ThresholdMove(0.8, 0.98, "it fell", bundle.id))
    assert all(outcome.needs_review for outcome in acceptance.of(lease(), bundle, outcomes))
    assert promises.move("acme", ThresholdMove(0.98, 0.98, "it fell", "another"))
    assert acceptance.of(lease(), bundle, outcomes) == outcomes
    assert promises.move("acme", ThresholdMove(0.98, 0.98, "for the season", "another", "key"), pinned=True)
    assert all(outcome.needs_review for outcome in acceptance.of(lease(), bundle, outcomes))
    assert not promises.move("acme", ThresholdMove(0.98, 0.7, "it rose", bundle.id)), "what is pinned stays"


def test_another_threshold_changes_how_much_is_sure_but_not_what_is_doubtful() -> None:
    review = Review(threshold=0.8, precision=0.95, coverage=0.6, levels=(0.9,))
    path = (Guess("books", 0.95),)
    outcome = Outcome(0, "sku", guesses=(Guess("10", 0.85),), path=path, needs_review=True, sure=1)
    accepted = judged(outcome, review)
    assert (accepted.needs_review, accepted.sure) == (False, 2)
    doubtful = judged(replace(outcome, doubtful=True, sure=0), review)
    assert (doubtful.needs_review, doubtful.sure) == (True, 0)
