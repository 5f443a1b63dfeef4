"""What surrounds the jobs in the ledger: idempotency keys, and what the reconciler and people ask."""

import pytest
from redis import Redis

from shared.ledger import (
    Answered,
    Audit,
    Claim,
    Idempotency,
    InFlightError,
    Ledger,
    QueuedItem,
    SupersededError,
)
from tests.jobs import LANE, leased, new_job, opened, outcomes_of
from tests.redis_state import expire_claim, finish_rate_window, lose_chunk, lose_record, lose_turns


def test_an_idempotency_key_leads_to_its_job_once_it_is_open(ledger: Ledger, redis: Redis) -> None:
    keys = Idempotency(redis)
    claim = keys.claim("local", "submit", "k")
    assert isinstance(claim, Claim)
    with pytest.raises(InFlightError) as busy:
        keys.claim("local", "submit", "k")
    assert 1 <= busy.value.retry_after_s <= 10
    assert isinstance(keys.claim("other", "submit", "k"), Claim), "another tenant's key is another key"
    assert isinstance(keys.claim("local", "retry x", "k"), Claim)
    job = opened(ledger, [1], claim=claim)
    assert keys.claim("local", "submit", "k") == Answered(job, "f")
    keys.release(claim)
    assert keys.claim("local", "submit", "k") == Answered(job, "f"), "an answer is not given up"


def test_a_request_whose_claim_expired_opens_no_job(ledger: Ledger, redis: Redis) -> None:
    keys = Idempotency(redis)
    stalled = keys.claim("local", "submit", "k")
    assert isinstance(stalled, Claim)
    expire_claim(redis, stalled)
    second = keys.claim("local", "submit", "k")
    assert isinstance(second, Claim)
    assert not keys.renew(stalled)
    with pytest.raises(SupersededError):
        opened(ledger, [1], claim=stalled)
    job = opened(ledger, [1], claim=second)
    with pytest.raises(SupersededError):
        opened(ledger, [1], claim=stalled)
    assert Audit(redis).live_jobs() == [job]


def test_a_released_claim_is_free_at_once(redis: Redis) -> None:
    keys = Idempotency(redis)
    claim = keys.claim("local", "submit", "k")
    assert isinstance(claim, Claim)
    keys.release(claim)
    assert isinstance(keys.claim("local", "submit", "k"), Claim)


def test_the_audit_restores_only_chunks_that_are_nowhere(ledger: Ledger, redis: Redis) -> None:
    job, audit = opened(ledger, [1, 1, 1, 1]), Audit(redis)
    committed, held = leased(ledger), leased(ledger)
    ledger.commit(committed, "v1", outcomes_of(committed))
    assert audit.restore(job) == 0
    assert lose_chunk(redis, job, "3")
    assert audit.restore(job) == 1
    assert [leased(ledger).chunk for _ in range(2)] == [2, 3]
    assert ledger.lease(LANE) is None
    assert held.chunk == 1


def test_the_audit_gives_a_job_its_lost_turn(ledger: Ledger, redis: Redis) -> None:
    job = opened(ledger, [1])
    lose_turns(redis, LANE)
    assert ledger.lease(LANE) is None
    assert Audit(redis).restore(job) == 1
    assert leased(ledger).job_id == job


def test_the_audit_removes_a_live_job_without_a_record(ledger: Ledger, redis: Redis) -> None:
    job = opened(ledger, [1])
    lose_record(redis, job)
    audit = Audit(redis)
    audit.restore(job)
    assert audit.live_jobs() == []
    ledger.expire()


@pytest.mark.parametrize("kept", [True, False])
def test_pictures_are_in_use_while_an_item_or_a_correction_may_need_them(
    ledger: Ledger, redis: Redis, kept: bool
) -> None:
    job, audit = ledger.new_id(), Audit(redis)
    items = [QueuedItem(i, str(i), blob=f"{i}" * 64) for i in range(3)]
    ledger.stage(job, 0, items[:2])
    ledger.stage(job, 1, items[2:])
    assert audit.blobs_in_use() == {item.blob for item in items}
    ledger.open(job, new_job(3, chunks=2, keep_inputs=kept))
    lease = leased(ledger)
    ledger.commit(lease, "v1", outcomes_of(lease, failing=1))
    classified = {items[1].blob} if kept else set()
    assert audit.blobs_in_use() == {items[0].blob, items[2].blob} | classified


def test_the_lanes_rate_and_a_jobs_place_are_known(ledger: Ledger, redis: Redis) -> None:
    first, second = opened(ledger, [2]), opened(ledger, [1])
    assert [ledger.lane_status(ledger.job(job)).position for job in (first, second)] == [0, 1]
    assert ledger.rate(LANE) == 0
    lease = leased(ledger)
    ledger.commit(lease, "v1", outcomes_of(lease))
    assert ledger.lane_status(ledger.job(first)).position is None
    finish_rate_window(redis, LANE)
    assert ledger.rate(LANE) == pytest.approx(0.2)
