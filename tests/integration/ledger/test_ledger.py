"""The ledger against a real Redis."""

import pytest
from redis import Redis

from shared.ledger import (
    STAGING_S,
    Claim,
    CursorError,
    Idempotency,
    ItemStatus,
    JobNotFoundError,
    JobState,
    Ledger,
    Outbox,
    QueuedItem,
    QueueFullError,
    Results,
    ResultsGoneError,
    StagingLostError,
)
from shared.ledger.scripts import job_key
from tests.jobs import LANE, leased, new_job, opened, outcomes_of
from tests.redis_state import (
    add_lease,
    expire_leases,
    job_keys,
    lease_count,
    lose_part,
    pass_deadline,
    turns_as_a_list,
)


@pytest.fixture
def results(redis: Redis) -> Results:
    return Results(redis)


def test_a_job_goes_from_queued_to_completed(ledger: Ledger) -> None:
    job = opened(ledger, [2, 1])
    assert ledger.job(job).state is JobState.QUEUED
    first = leased(ledger)
    assert [item.id for item in first.items] == ["item-0", "item-1"]
    assert ledger.job(job).state is JobState.RUNNING
    assert ledger.commit(first, "v1", outcomes_of(first)) is JobState.RUNNING
    second = leased(ledger)
    assert ledger.commit(second, "v1", outcomes_of(second)) is JobState.COMPLETED
    ended = ledger.job(job)
    assert (ended.succeeded, ended.pending) == (3, 0)
    assert ended.finished_at is not None
    assert ledger.lease(LANE) is None


@pytest.mark.parametrize(("failing", "state"), [(0, "completed"), (1, "partial"), (2, "failed")])
def test_the_last_commit_decides_the_outcome(ledger: Ledger, failing: int, state: str) -> None:
    job = opened(ledger, [2])
    lease = leased(ledger)
    assert ledger.commit(lease, "v1", outcomes_of(lease, failing)) == state
    assert ledger.job(job).failed == failing


def test_a_staged_job_does_not_exist_before_it_is_opened(ledger: Ledger, redis: Redis) -> None:
    job = ledger.new_id()
    ledger.stage(job, 0, [QueuedItem(0, "a", "titre")])
    with pytest.raises(JobNotFoundError):
        ledger.job(job)
    assert ledger.lease(LANE) is None
    assert 0 < redis.ttl(job_key(job, "input")) <= STAGING_S
    ledger.discard(job)
    assert job_keys(redis) == []


def test_opening_twice_is_opening_once_and_a_job_cannot_be_discarded(ledger: Ledger, redis: Redis) -> None:
    """The client of Redis repeats a step whose answer it did not get."""
    claim = Idempotency(redis).claim("local", "submit", "k")
    assert isinstance(claim, Claim)
    job = opened(ledger, [2], claim=claim)
    before = ledger.job(job)
    ledger.open(job, new_job(2, chunks=1), claim=claim, fingerprint="f", keep_claim_s=60)
    ledger.discard(job)
    assert ledger.job(job).times == before.times
    assert ledger.pending(LANE) == 2
    lease = leased(ledger)
    assert ledger.lease(LANE) is None
    assert ledger.commit(lease, "v1", outcomes_of(lease)) is JobState.COMPLETED
    assert ledger.pending(LANE) == 0


def test_a_job_counts_what_needs_a_look_over_its_chunks(ledger: Ledger) -> None:
    job = opened(ledger, [3, 2])
    assert ledger.job(job).needs_review == 0
    first, second = leased(ledger), leased(ledger)
    ledger.commit(first, "v1", outcomes_of(first, failing=1, unsure=1))
    ledger.commit(second, "v1", outcomes_of(second, unsure=2))
    ended = ledger.job(job)
    assert (ended.succeeded, ended.failed, ended.needs_review) == (4, 1, 3)


def test_jobs_take_turns(ledger: Ledger) -> None:
    large, small = opened(ledger, [1, 1, 1]), opened(ledger, [1])
    assert [leased(ledger).job_id for _ in range(4)] == [large, small, large, large]


def test_tenants_take_turns_however_many_jobs_one_has(ledger: Ledger) -> None:
    many = [opened(ledger, [1, 1], tenant="large") for _ in range(50)]
    one = opened(ledger, [1, 1, 1], tenant="small")
    turns = [leased(ledger).job_id for _ in range(8)]
    assert turns == [many[0], one, many[1], one, many[2], one, many[3], many[4]]


def test_a_returned_chunk_gives_its_tenant_a_turn_again(ledger: Ledger) -> None:
    opened(ledger, [1, 1, 1], tenant="large")
    one = opened(ledger, [1], tenant="small")
    assert leased(ledger).tenant == "large"
    returned = leased(ledger)
    assert (returned.job_id, ledger.ready(LANE)) == (one, 2)
    ledger.release([returned])
    assert [leased(ledger).tenant for _ in range(3)] == ["large", "small", "large"]
    assert ledger.lease(LANE) is None


def test_jobs_in_the_turns_of_an_older_release_go_on(ledger: Ledger, redis: Redis) -> None:
    """That release kept one list of jobs per lane."""
    first, second = opened(ledger, [1], tenant="a"), opened(ledger, [1, 1], tenant="b")
    ended = opened(ledger, [1], tenant="b")
    ledger.cancel(ended)
    turns_as_a_list(redis, LANE, [first, ended, second, "0" * 24])
    assert ledger.ready(LANE) == 3
    assert [leased(ledger).job_id for _ in range(3)] == [first, second, second]
    assert ledger.lease(LANE) is None


def test_a_chunk_committed_twice_counts_once(ledger: Ledger, redis: Redis) -> None:
    job = opened(ledger, [2, 1])
    slow = leased(ledger)
    expire_leases(redis)
    assert ledger.recover() == 1
    taken_over = leased(ledger)
    assert (taken_over.chunk, taken_over.attempt, taken_over.losses) == (slow.chunk, 2, 1)
    assert ledger.commit(taken_over, "v1", outcomes_of(taken_over, unsure=1)) is JobState.RUNNING
    assert ledger.commit(slow, "v1", outcomes_of(slow, failing=1, unsure=1)) is None
    assert (ledger.job(job).succeeded, ledger.job(job).failed, ledger.job(job).needs_review) == (2, 0, 1)


def test_a_late_commit_of_a_lapsed_lease_counts_and_ends_the_chunk(ledger: Ledger, redis: Redis) -> None:
    opened(ledger, [2])
    slow = leased(ledger)
    expire_leases(redis)
    ledger.recover()
    assert ledger.commit(slow, "v1", outcomes_of(slow)) is JobState.COMPLETED
    assert ledger.lease(LANE) is None


def test_a_postponed_chunk_is_ready_again_and_not_counted_as_lost(ledger: Ledger, redis: Redis) -> None:
    opened(ledger, [1])
    for counted in (0, 0, 1):
        ledger.defer(leased(ledger), 60, lost=bool(counted))
        assert ledger.lease(LANE) is None
        expire_leases(redis)
        assert ledger.recover() == counted
    again = leased(ledger)
    assert (again.attempt, again.losses) == (4, 1)


def test_a_chunk_that_was_postponed_counts_as_lost_when_its_next_holder_vanishes(ledger: Ledger, redis: Redis) -> None:
    opened(ledger, [1])
    ledger.defer(leased(ledger), 60, lost=False)
    expire_leases(redis)
    ledger.recover()
    leased(ledger)
    expire_leases(redis)
    assert ledger.recover() == 1
    assert leased(ledger).losses == 1


def test_a_renewed_lease_does_not_run_out(ledger: Ledger, redis: Redis) -> None:
    opened(ledger, [1])
    lease = leased(ledger)
    expire_leases(redis)
    ledger.renew([lease])
    assert ledger.recover() == 0


def test_a_lease_in_an_older_format_is_removed(ledger: Ledger, redis: Redis) -> None:
    opened(ledger, [1])
    lease = leased(ledger)
    add_lease(redis, f"{lease.job_id} 0")
    add_lease(redis, "nonsense")
    expire_leases(redis)
    assert ledger.recover() == 1
    assert lease_count(redis) == 0


def test_a_released_chunk_is_leased_next(ledger: Ledger) -> None:
    opened(ledger, [1, 1])
    lease = leased(ledger)
    ledger.release([lease])
    again = leased(ledger)
    assert (again.chunk, again.losses) == (lease.chunk, 0), "a holder that gives it back has not lost it"


def test_a_lapsed_lease_cannot_touch_a_later_one_of_its_chunk(ledger: Ledger, redis: Redis) -> None:
    opened(ledger, [1])
    old = leased(ledger)
    expire_leases(redis)
    ledger.recover()
    new = leased(ledger)
    expire_leases(redis)
    ledger.renew([old])
    ledger.release([old])
    ledger.defer(old, 60)
    assert ledger.recover() == 1, "it was the new lease that ran out, and nothing of the old one was left"
    assert leased(ledger).attempt == new.attempt + 1


def test_a_cancelled_job_keeps_its_results_and_takes_no_more(ledger: Ledger, results: Results) -> None:
    job = opened(ledger, [2, 3])
    first, second = leased(ledger), leased(ledger)
    ledger.commit(first, "v1", outcomes_of(first))
    cancelled = ledger.cancel(job)
    assert (cancelled.state, cancelled.succeeded, cancelled.cancelled) == (JobState.CANCELLED, 2, 3)
    assert ledger.commit(second, "v1", outcomes_of(second)) is None
    assert ledger.job(job).succeeded == 2
    page = results.page(ledger.job(job))
    statuses = [outcome.status for _, outcome in page.outcomes]
    assert statuses == [ItemStatus.SUCCEEDED] * 2 + [ItemStatus.CANCELLED] * 3
    assert page.complete


def test_outcomes_must_be_the_leased_items(ledger: Ledger) -> None:
    opened(ledger, [2])
    lease = leased(ledger)
    with pytest.raises(ValueError, match="one outcome per item"):
        ledger.commit(lease, "v1", outcomes_of(lease)[:1])


def test_pages_hold_every_result_once_while_the_job_runs(ledger: Ledger, results: Results) -> None:
    job = opened(ledger, [3, 2, 4])
    leases = [leased(ledger) for _ in range(3)]
    seen: list[int] = []
    cursor: str | None = None
    for lease in reversed(leases):
        ledger.commit(lease, "v1", outcomes_of(lease))
        while True:
            page = results.page(ledger.job(job), cursor, limit=2)
            seen += [outcome.index for _, outcome in page.outcomes]
            cursor = page.cursor
            if len(page.outcomes) < 2:
                break
    assert seen == [5, 6, 7, 8, 3, 4, 0, 1, 2]
    assert results.page(ledger.job(job), cursor).complete


@pytest.mark.parametrize("gone", ["order", "results"])
def test_results_that_expire_while_they_are_read_are_not_complete(
    ledger: Ledger, redis: Redis, results: Results, gone: str
) -> None:
    job = opened(ledger, [2, 2])
    for _ in range(2):
        lease = leased(ledger)
        ledger.commit(lease, "v1", outcomes_of(lease))
    pages = results.pages(ledger.job(job), limit=2)
    assert len(next(pages).outcomes) == 2
    lose_part(redis, job, gone)
    with pytest.raises(ResultsGoneError):
        next(pages)


@pytest.mark.parametrize("cursor", ["", "x", "1", "1.x", "-1.0", "1.2.3", "9999999999.0", "²٣.0"])
def test_a_strange_cursor_is_refused(ledger: Ledger, results: Results, cursor: str) -> None:
    job = opened(ledger, [1])
    if cursor == "":
        assert results.page(ledger.job(job), cursor).outcomes == []
    else:
        with pytest.raises(CursorError):
            results.page(ledger.job(job), cursor)


def test_a_due_message_comes_up_again_until_it_is_settled(ledger: Ledger, redis: Redis) -> None:
    job, outbox = opened(ledger, [1], webhook_url="https://example.com"), Outbox(redis, "webhook")
    lease = leased(ledger)
    assert outbox.take(hold_s=0) == []
    ledger.commit(lease, "v1", outcomes_of(lease))
    assert outbox.take(hold_s=0) == [job]
    assert outbox.take(hold_s=60) == [job]
    assert outbox.take(hold_s=60) == []
    outbox.postpone(job, -5)
    assert outbox.take(hold_s=0) == [job]
    outbox.settle(job)
    assert outbox.take(hold_s=0) == []


def test_an_untracked_job_has_no_message_and_expires(ledger: Ledger, redis: Redis) -> None:
    opened(ledger, [1], keep_s=50, keep_record_s=0, tracked=False)
    lease = leased(ledger)
    ledger.commit(lease, "v1", outcomes_of(lease))
    assert Outbox(redis, "tracking").take(hold_s=0) == []
    assert redis.ttl(job_key(lease.job_id)) in (49, 50)
    assert -1 not in {redis.ttl(name) for name in job_keys(redis, lease.job_id)}


def test_results_are_gone_before_the_jobs_record_is(ledger: Ledger, redis: Redis) -> None:
    job = opened(ledger, [1], keep_s=50, keep_record_s=100)
    lease = leased(ledger)
    ledger.commit(lease, "v1", outcomes_of(lease))
    ended = ledger.job(job)
    assert ended.finished_at is not None
    assert ended.results_expire_at == pytest.approx(ended.finished_at + 50, abs=1)
    assert not ended.results_gone
    assert 50 < redis.ttl(job_key(job, "results")) <= 650, "who is reading then is let finish"
    assert 100 < redis.ttl(job_key(job)) <= 150


def test_only_failed_and_unclassified_items_are_retryable(ledger: Ledger, results: Results) -> None:
    job = opened(ledger, [2, 3, 2])
    first, second = leased(ledger), leased(ledger)
    ledger.commit(first, "v1", outcomes_of(first))
    ledger.commit(second, "v1", outcomes_of(second, failing=2))
    ledger.cancel(job)

    def retryable(*statuses: ItemStatus) -> list[str]:
        return [item.id for item, _ in results.retryable(ledger.job(job), frozenset(statuses))]

    assert retryable(ItemStatus.FAILED) == ["item-2", "item-3"]
    assert retryable(ItemStatus.CANCELLED) == []
    assert retryable(ItemStatus.EXPIRED) == []


def test_items_that_expire_while_a_retry_reads_them_are_gone(ledger: Ledger, results: Results, redis: Redis) -> None:
    job = opened(ledger, [2, 2])
    pass_deadline(redis, job)
    ledger.expire()
    items = results.retryable(ledger.job(job), frozenset({ItemStatus.EXPIRED}))
    assert [next(items)[0].id, next(items)[0].id] == ["item-0", "item-1"]
    lose_part(redis, job, "input")
    with pytest.raises(ResultsGoneError):
        next(items)


def test_classified_items_are_kept_with_their_results(ledger: Ledger, results: Results, redis: Redis) -> None:
    job = opened(ledger, [2, 3, 2], invalid=1)
    first, second = leased(ledger), leased(ledger)
    ledger.commit(first, "v1", outcomes_of(first))
    ledger.commit(second, "v2", outcomes_of(second, failing=1))
    wanted = ["item-1", "item-2", "item-5", "item-7", "nothing"]
    found = results.known(ledger.job(job), wanted)
    assert found.keys() == {"item-1", "item-2"}, "neither what waits nor what was skipped has a result"
    assert (found["item-1"].item, found["item-1"].bundle) == (first.items[1], "v1")
    assert (found["item-2"].item, found["item-2"].outcome.status) == (second.items[0], ItemStatus.FAILED)
    ledger.cancel(job)
    assert results.known(ledger.job(job), wanted).keys() == {"item-1", "item-2", "item-5"}
    assert redis.ttl(job_key(job, "kept")) == redis.ttl(job_key(job, "results")) > 0


def test_a_job_without_keep_inputs_keeps_no_items(ledger: Ledger, results: Results, redis: Redis) -> None:
    job = opened(ledger, [2], keep_inputs=False)
    lease = leased(ledger)
    ledger.commit(lease, "v1", outcomes_of(lease, failing=1))
    assert not redis.exists(job_key(job, "kept"))
    found = results.known(ledger.job(job), ["item-0", "item-1"])
    assert (found["item-0"].item, found["item-1"].item) == (lease.items[0], None), "what failed is kept for a retry"


def test_a_job_past_its_deadline_expires_with_what_it_has(ledger: Ledger, redis: Redis, results: Results) -> None:
    job = opened(ledger, [2, 3])
    first, second = leased(ledger), leased(ledger)
    ledger.commit(first, "v1", outcomes_of(first))
    assert ledger.expire() == 0
    pass_deadline(redis, job)
    assert ledger.expire() == 1
    assert ledger.commit(second, "v1", outcomes_of(second)) is None
    ended = ledger.job(job)
    assert (ended.state, ended.reason, ended.succeeded, ended.expired) == (JobState.EXPIRED, "deadline", 2, 3)
    statuses = [outcome.status for _, outcome in results.page(ended).outcomes]
    assert statuses == [ItemStatus.SUCCEEDED] * 2 + [ItemStatus.EXPIRED] * 3
    assert ledger.pending(LANE) == 0


@pytest.mark.parametrize("step", ["lease", "commit"])
def test_a_deadline_holds_before_the_housekeeper_acts_on_it(ledger: Ledger, redis: Redis, step: str) -> None:
    job = opened(ledger, [2])
    lease = leased(ledger) if step == "commit" else None
    pass_deadline(redis, job)
    assert (ledger.commit(lease, "v1", outcomes_of(lease)) if lease else ledger.lease(LANE)) is None
    assert ledger.job(job).state is JobState.EXPIRED


@pytest.mark.parametrize(("budget", "state"), [(20, "failed"), (40, "running"), (50, "running")])
def test_a_job_over_its_error_budget_stops(ledger: Ledger, budget: float, state: str) -> None:
    job = opened(ledger, [4, 6], invalid=5, error_budget=budget)
    lease = leased(ledger)
    assert ledger.commit(lease, "v1", outcomes_of(lease, failing=4)) == state
    now = ledger.job(job)
    stopped = state == "failed"
    assert (now.failed, now.cancelled) == (4, 6 if stopped else 0)
    assert now.reason == ("error_budget" if stopped else None)


def test_skipped_items_are_results_from_the_start(ledger: Ledger, results: Results) -> None:
    job = opened(ledger, [1], invalid=2)
    queued = ledger.job(job)
    assert (queued.total, queued.invalid, queued.pending) == (3, 2, 1)
    assert [outcome.index for _, outcome in results.page(queued).outcomes] == [1, 2]
    lease = leased(ledger)
    assert ledger.commit(lease, "v1", outcomes_of(lease)) is JobState.PARTIAL


def test_results_are_read_by_status_and_each_is_found_once(ledger: Ledger, results: Results) -> None:
    job = opened(ledger, [3, 2, 4], invalid=2)
    for failing in (1, 0, 4):
        lease = leased(ledger)
        ledger.commit(lease, "v1", outcomes_of(lease, failing=failing))
    ended = ledger.job(job)
    found = {
        status: [o.index for page in results.pages(ended, limit=2, status=status) for _, o in page.outcomes]
        for status in ItemStatus
    }
    assert found == {
        ItemStatus.SUCCEEDED: [1, 2, 3, 4],
        ItemStatus.FAILED: [0, 5, 6, 7, 8],
        ItemStatus.INVALID: [9, 10],
        ItemStatus.CANCELLED: [],
        ItemStatus.EXPIRED: [],
    }


def test_a_full_queue_refuses_jobs_and_harms_none(ledger: Ledger) -> None:
    first = opened(ledger, [3], max_queued=4)
    with pytest.raises(QueueFullError):
        opened(ledger, [2], max_queued=4)
    opened(ledger, [1], max_queued=4)
    assert ledger.pending(LANE) == 4
    lease = leased(ledger)
    assert ledger.commit(lease, "v1", outcomes_of(lease)) is JobState.COMPLETED
    assert ledger.job(first).succeeded == 3
    opened(ledger, [2], max_queued=4)
    assert ledger.pending(LANE) == 3


def test_a_job_that_is_larger_than_the_queue_is_taken_by_an_empty_one(ledger: Ledger) -> None:
    opened(ledger, [3], max_queued=2)
    assert ledger.pending(LANE) == 3


def test_staged_input_that_has_vanished_is_no_job(ledger: Ledger) -> None:
    job = ledger.new_id()
    ledger.stage(job, 0, [QueuedItem(0, "a", "titre")])
    with pytest.raises(StagingLostError):
        ledger.open(job, new_job(2, chunks=2))
    with pytest.raises(JobNotFoundError):
        ledger.job(job)


def test_a_deferred_chunk_is_ready_after_its_pause(ledger: Ledger, redis: Redis) -> None:
    opened(ledger, [1])
    lease = leased(ledger)
    ledger.defer(lease, 60)
    ledger.recover()
    assert ledger.lease(LANE) is None
    expire_leases(redis)
    assert ledger.recover() == 1
    assert leased(ledger).losses == 1
