"""The queue of open items in the ledger: its bounds, and what it keeps of jobs."""

from dataclasses import replace

import pytest
from redis import Redis

from shared.ledger import CardsWanted, Guess, Ledger, OpenItem, Outcome, QueuedItem, ReservedCards, ReviewQueue
from tests.jobs import leased, new_job

TITLES = ("Chemise lin 38", "Tapis laine", "Chemise lin 40", "Lampe bureau", "Chemise lin 42")


@pytest.fixture
def queue(redis: Redis) -> ReviewQueue:
    return ReviewQueue(redis)


def waiting(ledger: Ledger, *chunks: tuple[str, ...], commits: int | None = None) -> str:
    """A job with a chunk of each of these titles, all unsure, of which the first ones are committed."""
    job, index = ledger.new_id(), 0
    for chunk, titles in enumerate(chunks):
        ledger.stage(
            job, chunk, [QueuedItem(index + at, f"sku-{index + at}", title) for at, title in enumerate(titles)]
        )
        index += len(titles)
    ledger.open(job, new_job(index, len(chunks)))
    for _ in chunks[:commits]:
        commit(ledger)
    return job


def commit(ledger: Ledger) -> None:
    lease = leased(ledger)
    outcomes = [Outcome(item.index, item.id, guesses=(Guess("10", 0.5),), needs_review=True) for item in lease.items]
    ledger.commit(lease, "one", outcomes)


def places(taken: ReservedCards) -> list[list[int]]:
    return [[card.item.position, *(copy.position for copy in card.copies)] for card in taken.cards]


def test_items_of_later_chunks_are_found_although_the_first_ones_are_kept_in_mind(
    queue: ReviewQueue, ledger: Ledger
) -> None:
    job = waiting(ledger, TITLES[:2], TITLES[2:], commits=1)
    assert places(queue.take("local", "anna", CardsWanted())) == [[0], [1]]
    assert queue.give_back("local", "anna") == 2
    commit(ledger)
    assert places(queue.take("local", "anna", CardsWanted())) == [[0, 2, 4], [1], [3]]
    copies = queue.copies("local", [("anna", job, 0), ("ben", job, 1), ("ben", "0" * 24, 1)])
    assert copies == [[OpenItem(job, 2, 1), OpenItem(job, 4, 1)], [], []]
    assert queue.copies("local", [("ben", job, 2)]) == [[]], "Anna has them"
    assert queue.copies("other", [("anna", job, 0)]) == [[]], "it is no job of theirs"


def test_a_tenant_cannot_reserve_more_than_a_bounded_number_of_items(redis: Redis, ledger: Ledger) -> None:
    class Small(ReviewQueue):
        MOST_RESERVED = 4

    queue = Small(redis)
    waiting(ledger, TITLES)
    assert places(queue.take("local", "anna", CardsWanted())) == [[0, 2, 4], [1]]
    assert places(queue.take("local", "ben", CardsWanted())) == []
    assert queue.give_back("local", "anna", [("0" * 24, 1)]) == 0
    assert queue.give_back("local", "anna") == 2
    assert len(queue.take("local", "ben", CardsWanted(limit=1)).cards) == 1


def test_a_process_that_knows_a_job_already_sees_what_another_one_has_reserved(
    queue: ReviewQueue, redis: Redis, ledger: Ledger
) -> None:
    job, other = waiting(ledger, TITLES), ReviewQueue(redis)
    wanted = CardsWanted(limit=1)
    assert places(queue.take("local", "anna", wanted)) == [[0, 2, 4]]
    assert places(other.take("local", "ben", replace(wanted, last={(job, 1)}))) == [[3]]
    assert places(queue.take("local", "anna", replace(wanted, codes={"40"}))) == []
    assert places(queue.take("local", "anna", replace(wanted, codes={"10"}, job=job))) == [[1]]
