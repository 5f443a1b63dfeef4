"""A job's items page by page: each page against all results, also while chunks are committed between two pages."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from shared.ledger import (
    CursorError,
    Guess,
    ItemFilter,
    ItemList,
    ItemOrder,
    ItemStatus,
    Job,
    Lease,
    Ledger,
    Outcome,
    QueuedItem,
    Results,
    ResultsGoneError,
)
from tests.jobs import leased, new_job, opened, outcomes_of
from tests.redis_state import forget_facets, job_keys

CODES = ("10", "2583", "livres")
TITLES = ("Épée en bois", "Livre ancien", "livre de poche pour l'été", "Console")

GUESSES = st.builds(Guess, st.sampled_from(CODES), st.sampled_from((0.0, 0.1234, 0.5, 0.5001, 0.9, 1.0)))


@st.composite
def answers(draw: st.DrawFn) -> Outcome:
    if draw(st.integers(0, 5)) == 0:
        return Outcome(0, "", ItemStatus.FAILED, error="image_unreadable", message="no picture")
    return Outcome(
        0,
        "",
        guesses=(draw(GUESSES),),
        needs_review=draw(st.booleans()),
        text=draw(st.none() | GUESSES),
        image=draw(st.none() | GUESSES),
    )


@st.composite
def filters(draw: st.DrawFn) -> ItemFilter:
    return ItemFilter(
        statuses=draw(st.just(()) | st.sets(st.sampled_from(ItemStatus), max_size=3)),
        needs_review=draw(st.none() | st.booleans()),
        codes=draw(st.none() | st.sets(st.sampled_from((*CODES, "unknown")))),
        least=draw(st.none() | st.sampled_from((0.0, 0.1234, 0.5))),
        most=draw(st.none() | st.sampled_from((0.5, 0.9, 1.0))),
        disagree=draw(st.none() | st.booleans()),
        bundle=draw(st.none() | st.sampled_from(("one", "other"))),
        text=draw(st.sampled_from(("", "", "", "LIV", "epee bois", "ete livre", "nothing like it"))),
    )


def fits(wanted: ItemFilter, bundle: str, outcome: Outcome, title: str) -> bool:
    """The filter in words of its own, for one outcome."""
    words = title.lower().replace("é", "e").replace("'", " ").split()
    best = outcome.guesses[0] if outcome.guesses else None
    disagree = outcome.text is not None and outcome.image is not None and outcome.text.code != outcome.image.code
    return (
        (not wanted.statuses or outcome.status in wanted.statuses)
        and wanted.needs_review in (None, outcome.needs_review)
        and (wanted.codes is None or (best is not None and best.code in wanted.codes))
        and (wanted.least is None or (best is not None and best.confidence >= wanted.least))
        and (wanted.most is None or (best is not None and best.confidence <= wanted.most))
        and wanted.disagree in (None, disagree)
        and wanted.bundle in (None, bundle)
        and all(any(word.startswith(part) for word in words) for part in wanted.text.lower().split())
    )


def commit(ledger: Ledger, lease: Lease, drawn: Sequence[Outcome], bundle: str) -> None:
    outcomes = [replace(drawn[(item.index * 7) % len(drawn)], index=item.index, id=item.id) for item in lease.items]
    ledger.commit(lease, bundle, outcomes)


def titled(ledger: Ledger, chunks: Sequence[int], invalid: int) -> str:
    """A job whose items have titles; an invalid one comes before every chunk's items, as long as there are any."""
    job, index, skipped = ledger.new_id(), 0, list[Outcome]()
    for chunk, size in enumerate(chunks):
        if len(skipped) < invalid:
            skipped.append(Outcome(index, f"item-{index}", ItemStatus.INVALID, error="invalid_item"))
            index += 1
        ledger.stage(
            job, chunk, [QueuedItem(i, f"item-{i}", TITLES[i % len(TITLES)]) for i in range(index, index + size)]
        )
        index += size
    if skipped:
        ledger.stage_invalid(job, len(chunks), skipped)
    ledger.open(job, new_job(index, len(chunks) + bool(skipped), invalid=len(skipped)))
    return job


def all_pages(
    items: ItemList, job: Job, wanted: ItemFilter, order: ItemOrder, limit: int, cursor: str | None = None
) -> list[int]:
    """The items' positions in the order of the pages; the job must have ended."""
    found = list[int]()
    while True:
        page = items.page(job, wanted, order, cursor, limit)
        assert len(page.items) <= limit
        found += [known.outcome.index for known in page.items]
        if page.cursor is None:
            return found
        assert page.cursor != cursor, "a reader gets on"
        cursor = page.cursor


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chunks=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    invalid=st.integers(0, 2),
    drawn=st.lists(answers(), min_size=1, max_size=9),
    turns=st.permutations(range(5)),
    wanted=filters(),
    limit=st.integers(1, 6),
    cancelled=st.booleans(),
    older=st.booleans(),
)
def test_pages_have_what_fits_in_their_order(
    redis: Redis,
    chunks: list[int],
    invalid: int,
    drawn: list[Outcome],
    turns: list[int],
    wanted: ItemFilter,
    limit: int,
    cancelled: bool,
    older: bool,
) -> None:
    redis.flushdb()
    ledger, items = Ledger(redis), ItemList(redis)
    identifier = titled(ledger, chunks, invalid)
    leases = [leased(ledger) for _ in chunks]
    done = [turn for turn in turns if turn < len(chunks)][: len(chunks) - cancelled]
    for turn in done:
        commit(ledger, leases[turn], drawn, ("one", "other")[turn % 2])
    if cancelled:
        ledger.cancel(identifier)
    if older:
        forget_facets(redis, identifier)
    job = ledger.job(identifier)
    committed = [(bundle, outcome) for page in Results(redis).pages(job) for bundle, outcome in page.outcomes]
    titles = {outcome.index: TITLES[outcome.index % len(TITLES)] for _, outcome in committed}
    for _, outcome in committed:  # of what was skipped or freed only the id is kept
        if outcome.status in (ItemStatus.INVALID, ItemStatus.CANCELLED):
            titles[outcome.index] = ""
    fitting = [outcome for bundle, outcome in committed if fits(wanted, bundle, outcome, titles[outcome.index])]
    sure = sorted(fitting, key=lambda o: (o.guesses[0].confidence if o.guesses else 2, o.index))
    expected = {
        ItemOrder.COMMITTED: [outcome.index for outcome in fitting],
        ItemOrder.SENT: sorted(outcome.index for outcome in fitting),
        ItemOrder.LEAST_SURE: [outcome.index for outcome in sure],
    }
    assert {order: all_pages(items, job, wanted, order, limit) for order in ItemOrder} == expected
    for outcome in fitting[:3]:
        known = items.item(job, outcome.index)
        assert known is not None
        assert known.outcome == outcome
    assert items.item(job, job.total) is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chunks=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    drawn=st.lists(answers(), min_size=1, max_size=9),
    turns=st.permutations(range(5)),
    order=st.sampled_from((ItemOrder.SENT, ItemOrder.COMMITTED)),
    limit=st.integers(1, 6),
    between=st.lists(st.integers(0, 2), min_size=5, max_size=5),
)
def test_a_reader_beside_a_running_job_misses_and_repeats_nothing(
    redis: Redis,
    chunks: list[int],
    drawn: list[Outcome],
    turns: list[int],
    order: ItemOrder,
    limit: int,
    between: list[int],
) -> None:
    redis.flushdb()
    ledger, items = Ledger(redis), ItemList(redis)
    identifier = titled(ledger, chunks, 1)
    leases = [leased(ledger) for _ in chunks]
    found, cursor, page = list[int](), None, None
    for turn, pages in zip([turn for turn in turns if turn < len(chunks)], between, strict=False):
        commit(ledger, leases[turn], drawn, "one")
        for _ in range(pages):
            page = items.page(ledger.job(identifier), ItemFilter(), order, cursor, limit)
            found, cursor = found + [known.outcome.index for known in page.items], page.cursor
            if cursor is None:
                break
    job, ended = ledger.job(identifier), page is not None and page.cursor is None
    if not ended:
        found += all_pages(items, job, ItemFilter(), order, limit, cursor)
    assert sorted(found) == list(range(job.total))
    if order is ItemOrder.SENT:
        assert found == sorted(found)


def test_the_least_sure_are_those_that_were_done_when_the_first_page_was_read(ledger: Ledger, redis: Redis) -> None:
    items, identifier = ItemList(redis), opened(ledger, [2, 2])
    commit(ledger, leased(ledger), [Outcome(0, "", guesses=(Guess("10", 0.5),))], "one")
    first = items.page(ledger.job(identifier), ItemFilter(), ItemOrder.LEAST_SURE, None, 1)
    commit(ledger, leased(ledger), [Outcome(0, "", guesses=(Guess("10", 0.1),))], "one")
    job = ledger.job(identifier)
    second = items.page(job, ItemFilter(), ItemOrder.LEAST_SURE, first.cursor, 10)
    assert [known.outcome.index for known in (*first.items, *second.items)] == [0, 1]
    assert second.cursor is None
    assert all_pages(items, job, ItemFilter(), ItemOrder.LEAST_SURE, 3) == [2, 3, 0, 1]


def test_what_was_sent_comes_along_where_it_is_kept(ledger: Ledger, redis: Redis) -> None:
    items = ItemList(redis)
    for keep in (True, False):
        identifier = opened(ledger, [1], keep_inputs=keep)
        lease = leased(ledger)
        ledger.commit(lease, "one", outcomes_of(lease))
        (known,) = items.page(ledger.job(identifier), ItemFilter()).items
        assert known.item == (lease.items[0] if keep else None)


@pytest.mark.parametrize(
    ("order", "cursor"),
    [
        (ItemOrder.SENT, "committed~~"),
        (ItemOrder.SENT, "sent~x"),
        (ItemOrder.SENT, "sent~" + "9" * 10),
        (ItemOrder.COMMITTED, "sent~1"),
        (ItemOrder.COMMITTED, "committed~9~"),
        (ItemOrder.LEAST_SURE, "least_sure~1.1"),
        (ItemOrder.LEAST_SURE, "least_sure~1.1~9~"),
        (ItemOrder.LEAST_SURE, "least_sure~1.1~" + "0_" * 10_000 + "~"),
        (ItemOrder.SENT, ""),
        (ItemOrder.SENT, "~"),
    ],
)
def test_a_cursor_of_another_list_is_refused(ledger: Ledger, redis: Redis, order: ItemOrder, cursor: str) -> None:
    job = ledger.job(opened(ledger, [2]))
    with pytest.raises(CursorError):
        ItemList(redis).page(job, ItemFilter(), order, cursor or " ", 10)


def test_results_that_have_expired_are_gone(ledger: Ledger, redis: Redis) -> None:
    identifier = opened(ledger, [1])
    lease = leased(ledger)
    ledger.commit(lease, "one", outcomes_of(lease))
    job = ledger.job(identifier)
    redis.delete(*[key for key in job_keys(redis, identifier) if not key.endswith(identifier.encode())])
    for order in ItemOrder:
        with pytest.raises(ResultsGoneError):
            ItemList(redis).page(job, ItemFilter(), order)


def test_facets_count_towards_memory_and_expire_with_the_results(ledger: Ledger, redis: Redis) -> None:
    identifier = opened(ledger, [100])
    lease = leased(ledger)
    ledger.commit(lease, "one", outcomes_of(lease))
    lasts = {key.decode().rpartition(":")[2]: redis.ttl(key) for key in job_keys(redis, identifier)}
    assert lasts["facets"] == pytest.approx(lasts["results"], abs=2)
