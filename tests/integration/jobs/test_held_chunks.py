"""The chunks in a worker's hand, on the real ledger; the test turns the clock that bounds their work."""

import pytest
from redis import Redis

from shared.ledger import Lease, Ledger
from tests.jobs import LANE, opened
from tests.redis_state import expire_leases, lease_expiry
from worker.classify.held_chunks import HeldChunks


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def chunks(ledger: Ledger, clock: list[float]) -> HeldChunks:
    return HeldChunks(ledger, timeout_s=100, clock=lambda: clock[0])


@pytest.fixture
def lease(ledger: Ledger) -> Lease:
    opened(ledger, [1])
    lease = ledger.lease(LANE)
    assert lease is not None
    return lease


def test_held_chunk_is_renewed_until_its_timeout(
    ledger: Ledger, redis: Redis, chunks: HeldChunks, clock: list[float], lease: Lease
) -> None:
    with chunks.hold(lease):
        for clock[0], overdue in ((99.0, []), (100.0, [lease.member])):
            expire_leases(redis)
            chunks.renew()
            assert chunks.overdue() == overdue
            assert ledger.recover() == len(overdue)


def test_chunk_of_which_parts_are_done_is_renewed(chunks: HeldChunks, clock: list[float], lease: Lease) -> None:
    with chunks.hold(lease, timeout_s=50) as progressed:
        clock[0] = 49.0
        progressed()
        clock[0] = 98.0
        assert chunks.overdue() == []
        clock[0] = 99.0
        assert chunks.overdue() == [lease.member]


def test_postponed_chunk_waits_for_seconds_and_does_not_count_as_lost(
    ledger: Ledger, redis: Redis, chunks: HeldChunks, lease: Lease
) -> None:
    chunks.postpone(lease)
    assert ledger.lease(LANE) is None
    until = lease_expiry(redis, lease)
    assert until is not None
    assert 1 < until - ledger.now() <= 2
    expire_leases(redis)
    ledger.recover()
    again = ledger.lease(LANE)
    assert again is not None
    assert (again.attempt, again.losses) == (2, 0)


def test_finished_chunk_is_not_renewed(ledger: Ledger, redis: Redis, chunks: HeldChunks, lease: Lease) -> None:
    with chunks.hold(lease):
        pass
    expire_leases(redis)
    chunks.renew()
    assert ledger.recover() == 1


def test_failed_chunk_is_retried_after_a_pause(
    ledger: Ledger, redis: Redis, chunks: HeldChunks, lease: Lease, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(OSError, match="blob store"), chunks.hold(lease):
        _fail()
    chunks.retry_later(lease, OSError("the blob store is away"))
    assert "the blob store is away" in caplog.text
    assert ledger.lease(LANE) is None
    until = lease_expiry(redis, lease)
    assert until is not None
    assert 1 < until - ledger.now() <= 2
    expire_leases(redis)
    ledger.recover()
    again = ledger.lease(LANE)
    assert again is not None
    assert (again.attempt, again.losses) == (2, 1)


def test_released_chunk_can_be_leased_at_once(ledger: Ledger, chunks: HeldChunks, lease: Lease) -> None:
    with chunks.hold(lease):
        chunks.hand_back()
        assert ledger.lease(LANE) is not None


def test_overdue_chunk_counts_as_lost(
    ledger: Ledger, redis: Redis, chunks: HeldChunks, clock: list[float], lease: Lease
) -> None:
    with chunks.hold(lease):
        clock[0] = 100.0
        chunks.hand_back()
        assert ledger.lease(LANE) is None
        expire_leases(redis)
        ledger.recover()
        again = ledger.lease(LANE)
        assert again is not None
        assert again.losses == 1


def _fail() -> None:
    raise OSError("the blob store is away")
