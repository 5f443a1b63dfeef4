"""The ledger against a real Redis."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from shared.ledger import (
    TERMINAL,
    TRANSITIONS,
    CursorError,
    Guess,
    JobNotFoundError,
    JobState,
    Lease,
    Ledger,
    Outcome,
    QueuedItem,
)

LANE = "bulk"


def _open(ledger: Ledger, chunks: list[int], webhook_url: str | None = None) -> str:
    """A job with chunks of the given sizes."""
    job, index = ledger.new_id(), 0
    for chunk, size in enumerate(chunks):
        ledger.stage(job, chunk, [QueuedItem(index + i, f"item-{index + i}", "titre") for i in range(size)])
        index += size
    ledger.open(job, total=index, chunks=len(chunks), lane=LANE, webhook_url=webhook_url)
    return job


def _outcomes(lease: Lease, failing: int = 0, unsure: int = 0) -> list[Outcome]:
    """The first ones fail, those behind them need a look."""
    return [
        Outcome(item.index, item.id, error="image_unreadable")
        if position < failing
        else Outcome(item.index, item.id, (Guess(10, 0.9),), needs_review=position < failing + unsure)
        for position, item in enumerate(lease.items)
    ]


def _leased(ledger: Ledger) -> Lease:
    lease = ledger.lease(LANE)
    assert lease is not None
    return lease


def _lapse(redis: Redis) -> None:
    """Let every lease run out now."""
    for lease in list(redis.zscan_iter("catalog:leases")):
        redis.zadd("catalog:leases", {lease[0]: 0})


def test_a_job_goes_from_queued_to_completed(ledger: Ledger) -> None:
    job = _open(ledger, [2, 1])
    assert ledger.job(job).state is JobState.QUEUED
    first = _leased(ledger)
    assert [item.id for item in first.items] == ["item-0", "item-1"]
    assert ledger.job(job).state is JobState.RUNNING
    assert ledger.commit(first, "v1", _outcomes(first)) is JobState.RUNNING
    second = _leased(ledger)
    assert ledger.commit(second, "v1", _outcomes(second)) is JobState.COMPLETED
    ended = ledger.job(job)
    assert (ended.succeeded, ended.pending) == (3, 0)
    assert ended.finished_at is not None
    assert ledger.lease(LANE) is None


@pytest.mark.parametrize(("failing", "state"), [(0, "completed"), (1, "partial"), (2, "failed")])
def test_the_last_commit_decides_the_outcome(ledger: Ledger, failing: int, state: str) -> None:
    job = _open(ledger, [2])
    lease = _leased(ledger)
    assert ledger.commit(lease, "v1", _outcomes(lease, failing)) == state
    assert ledger.job(job).failed == failing


def test_what_was_not_opened_is_no_job(ledger: Ledger, redis: Redis) -> None:
    job = ledger.new_id()
    ledger.stage(job, 0, [QueuedItem(0, "a", "titre")])
    with pytest.raises(JobNotFoundError):
        ledger.job(job)
    assert ledger.lease(LANE) is None
    assert 0 < redis.ttl(f"catalog:job:{job}:input") <= 3600
    ledger.discard(job)
    assert list(redis.scan_iter("catalog:job:*")) == []


def test_a_job_counts_what_needs_a_look_over_its_chunks(ledger: Ledger) -> None:
    job = _open(ledger, [3, 2])
    assert ledger.job(job).needs_review == 0
    first, second = _leased(ledger), _leased(ledger)
    ledger.commit(first, "v1", _outcomes(first, failing=1, unsure=1))
    ledger.commit(second, "v1", _outcomes(second, unsure=2))
    ended = ledger.job(job)
    assert (ended.succeeded, ended.failed, ended.needs_review) == (4, 1, 3)


def test_jobs_take_turns(ledger: Ledger) -> None:
    large, small = _open(ledger, [1, 1, 1]), _open(ledger, [1])
    assert [_leased(ledger).job for _ in range(4)] == [large, small, large, large]


def test_a_chunk_committed_twice_counts_once(ledger: Ledger, redis: Redis) -> None:
    job = _open(ledger, [2, 1])
    slow = _leased(ledger)
    _lapse(redis)
    assert ledger.recover() == 1
    taken_over = _leased(ledger)
    assert (taken_over.chunk, taken_over.attempt) == (slow.chunk, 2)
    assert ledger.commit(taken_over, "v1", _outcomes(taken_over, unsure=1)) is JobState.RUNNING
    assert ledger.commit(slow, "v1", _outcomes(slow, failing=1, unsure=1)) is None
    assert (ledger.job(job).succeeded, ledger.job(job).failed, ledger.job(job).needs_review) == (2, 0, 1)


def test_a_late_commit_of_a_lapsed_chunk_counts_and_spares_the_second_run(ledger: Ledger, redis: Redis) -> None:
    _open(ledger, [2])
    slow = _leased(ledger)
    _lapse(redis)
    ledger.recover()
    assert ledger.commit(slow, "v1", _outcomes(slow)) is JobState.COMPLETED
    assert ledger.lease(LANE) is None


def test_a_renewed_lease_does_not_run_out(ledger: Ledger, redis: Redis) -> None:
    _open(ledger, [1])
    lease = _leased(ledger)
    _lapse(redis)
    ledger.renew([lease])
    assert ledger.recover() == 0


def test_a_lease_given_back_is_next(ledger: Ledger) -> None:
    _open(ledger, [1, 1])
    lease = _leased(ledger)
    ledger.release([lease])
    assert _leased(ledger).chunk == lease.chunk


def test_a_cancelled_job_keeps_its_results_and_takes_no_more(ledger: Ledger) -> None:
    job = _open(ledger, [2, 3])
    first, second = _leased(ledger), _leased(ledger)
    ledger.commit(first, "v1", _outcomes(first))
    cancelled = ledger.cancel(job)
    assert (cancelled.state, cancelled.succeeded, cancelled.cancelled) == (JobState.CANCELLED, 2, 3)
    assert ledger.commit(second, "v1", _outcomes(second)) is None
    assert ledger.job(job).succeeded == 2
    page = ledger.results(job)
    assert (len(page.outcomes), page.complete) == (2, True)


def test_outcomes_must_be_the_leased_items(ledger: Ledger) -> None:
    _open(ledger, [2])
    lease = _leased(ledger)
    with pytest.raises(ValueError, match="one outcome per item"):
        ledger.commit(lease, "v1", _outcomes(lease)[:1])


def test_pages_hold_every_result_once_while_the_job_runs(ledger: Ledger) -> None:
    job = _open(ledger, [3, 2, 4])
    leases = [_leased(ledger) for _ in range(3)]
    seen: list[int] = []
    cursor: str | None = None
    for lease in reversed(leases):
        ledger.commit(lease, "v1", _outcomes(lease))
        while True:
            page = ledger.results(job, cursor, limit=2)
            seen += [outcome.index for _, outcome in page.outcomes]
            cursor = page.cursor
            if len(page.outcomes) < 2:
                break
    assert seen == [5, 6, 7, 8, 3, 4, 0, 1, 2]
    assert ledger.results(job, cursor).complete


@pytest.mark.parametrize("cursor", ["", "x", "1", "1.x", "-1.0", "1.2.3", "9999999999.0", "²٣.0"])
def test_a_strange_cursor_is_refused(ledger: Ledger, cursor: str) -> None:
    job = _open(ledger, [1])
    if cursor == "":
        assert ledger.results(job, cursor).outcomes == []
    else:
        with pytest.raises(CursorError):
            ledger.results(job, cursor)


def test_a_due_message_comes_up_again_until_it_is_settled(ledger: Ledger) -> None:
    job = _open(ledger, [1], webhook_url="https://example.com")
    lease = _leased(ledger)
    ledger.commit(lease, "v1", _outcomes(lease))
    assert ledger.take_due("webhook", hold_s=0) == [job]
    assert ledger.take_due("webhook", hold_s=60) == [job]
    assert ledger.take_due("webhook", hold_s=60) == []
    ledger.postpone("webhook", job, -5)
    assert ledger.take_due("webhook", hold_s=0) == [job]
    ledger.settle("webhook", job)
    assert ledger.take_due("webhook", hold_s=0) == []


def test_an_untracked_job_is_due_nowhere_and_kept_as_long_as_it_says(ledger: Ledger, redis: Redis) -> None:
    job = ledger.new_id()
    ledger.stage(job, 0, [QueuedItem(0, "a", "titre")])
    ledger.open(job, total=1, chunks=1, lane=LANE, keep_s=50, tracked=False)
    lease = _leased(ledger)
    ledger.commit(lease, "v1", _outcomes(lease))
    assert ledger.take_due("tracking", hold_s=0) == []
    assert {redis.ttl(name) for name in redis.scan_iter(f"catalog:job:{job}*")} <= {49, 50}


class LedgerMachine(RuleBasedStateMachine):
    """Workers that commit, vanish, come late and give up, in any order; the counts must always add up."""

    client: Redis

    @initialize(chunks=st.lists(st.integers(1, 3), min_size=1, max_size=4))
    def start(self, chunks: list[int]) -> None:
        self.client.flushdb()
        self.ledger = Ledger(self.client, keep_s=60)
        self.job = _open(self.ledger, chunks)
        self.before = self.ledger.job(self.job)
        self.leases: list[Lease] = []

    @rule()
    def lease(self) -> None:
        if lease := self.ledger.lease(LANE):
            self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), failing=st.integers(0, 3), unsure=st.integers(0, 3))
    def commit(self, data: st.DataObject, failing: int, unsure: int) -> None:
        """Perhaps for the second time: the lease is kept."""
        lease = data.draw(st.sampled_from(self.leases))
        self.ledger.commit(lease, "v1", _outcomes(lease, failing, unsure))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        self.ledger.release([data.draw(st.sampled_from(self.leases))])

    @rule()
    def crash(self) -> None:
        _lapse(self.client)
        self.ledger.recover()

    @rule()
    def cancel(self) -> None:
        self.ledger.cancel(self.job)

    @invariant()
    def counts_add_up_and_states_are_legal(self) -> None:
        before, now = self.before, self.ledger.job(self.job)
        assert now.pending >= 0
        assert now.succeeded >= before.succeeded
        assert now.failed >= before.failed
        assert now.state is before.state or now.state in TRANSITIONS[before.state]
        if before.state in TERMINAL:
            assert now == before
        if now.state in TERMINAL:
            assert now.pending == 0
        outcomes = [outcome for _, outcome in self.ledger.results(self.job).outcomes]
        assert len({outcome.index for outcome in outcomes}) == len(outcomes) == now.succeeded + now.failed
        assert now.needs_review == sum(outcome.needs_review for outcome in outcomes) <= now.succeeded
        self.before = now

    def teardown(self) -> None:
        """Whatever happened: a worker that goes on brings the job to its end."""
        if hasattr(self, "job"):
            self.crash()
            while lease := self.ledger.lease(LANE):
                self.ledger.commit(lease, "v1", _outcomes(lease))
            assert self.ledger.job(self.job).ended


def test_any_interleaving_keeps_the_books(redis: Redis) -> None:
    LedgerMachine.client = redis
    run_state_machine_as_test(LedgerMachine, settings=settings(max_examples=60, stateful_step_count=25, deadline=None))
