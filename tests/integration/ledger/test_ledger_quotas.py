"""What tenants may hold, and what happens when Redis' memory is full, against a real Redis."""

from collections.abc import Iterator
from secrets import token_hex

import pytest
from redis import OutOfMemoryError, Redis

from shared.ledger import (
    MEMORY,
    Audit,
    ItemStatus,
    JobState,
    Ledger,
    MemoryFullError,
    MemoryQuota,
    QueuedItem,
    QueueFullError,
    QuotaExceededError,
    Quotas,
    Results,
)
from tests.jobs import LANE, leased, new_job, opened, outcomes_of
from tests.redis_state import (
    expire_memory,
    expire_results,
    forget_tenants_waiting,
    job_keys,
    lose_record,
    memory_counted,
    memory_stored,
    tenants_waiting,
)

LANES = (LANE, "training")


@pytest.fixture
def quotas(redis: Redis) -> Quotas:
    return Quotas(redis)


@pytest.fixture
def full_redis(redis: Redis) -> Iterator[Redis]:
    """To be filled with `fill`; what it may use is restored afterwards."""
    yield redis
    redis.config_set("maxmemory", 0)


def fill(redis: Redis) -> None:
    """Let Redis have no memory left, as it says itself."""
    redis.config_set("maxmemory", redis.info("memory")["used_memory"] - 100_000)
    with pytest.raises(OutOfMemoryError):
        redis.set("more", "1")


def staged(ledger: Ledger, memory: MemoryQuota, text: str | None = None) -> str:
    """The id of a job with one staged chunk of 40 kB that does not get smaller."""
    job = ledger.new_id()
    ledger.stage(job, 0, [QueuedItem(0, "a", text or token_hex(40_000))], memory)
    return job


def stored(redis: Redis, job: str) -> int:
    """What the keys of the job take in Redis."""
    return sum(int(redis.memory_usage(key) or 0) for key in job_keys(redis, job))


def test_a_tenant_at_its_quota_is_refused_and_another_is_not(ledger: Ledger, quotas: Quotas) -> None:
    first = opened(ledger, [3, 2], tenant="large", max_waiting=6)
    with pytest.raises(QuotaExceededError) as refused:
        opened(ledger, [2], tenant="large", max_waiting=6)
    assert (refused.value.quota, refused.value.used, refused.value.limit) == (LANE, 5, 6)
    opened(ledger, [2], tenant="small", max_waiting=6)
    opened(ledger, [6], tenant="large", lane="training", max_waiting=6)  # lanes have quotas of their own
    assert quotas.holdings("large", LANES).waiting == {LANE: 5, "training": 6}
    assert quotas.holdings("small", LANES).waiting == {LANE: 2, "training": 0}
    ledger.cancel(first)
    opened(ledger, [2], tenant="large", max_waiting=6)
    assert [(r.whose, r.what, r.requests) for r in quotas.refusals()] == [("tenant", LANE, 1)]


def test_everyone_s_limit_is_told_from_the_tenant_s(ledger: Ledger, quotas: Quotas) -> None:
    opened(ledger, [4], tenant="large")
    with pytest.raises(QueueFullError):
        opened(ledger, [2], tenant="small", max_queued=5, max_waiting=3)
    with pytest.raises(QueueFullError):
        ledger.check_room(LANE, "small", 2, max_queued=5, max_waiting=None)
    with pytest.raises(QuotaExceededError):
        ledger.check_room(LANE, "large", 2, max_queued=5, max_waiting=5)
    ledger.check_room(LANE, "large", 1, max_queued=5, max_waiting=5)
    counted = [(refusal.whose, refusal.what, refusal.requests) for refusal in quotas.refusals()]
    assert counted == [("all", LANE, 2), ("tenant", LANE, 1)]


def test_a_job_larger_than_the_quota_is_taken_if_the_tenant_has_nothing_waiting(ledger: Ledger) -> None:
    opened(ledger, [3], tenant="other")
    assert opened(ledger, [5], tenant="large", max_waiting=4)


def test_items_with_an_outcome_count_no_more(ledger: Ledger, quotas: Quotas) -> None:
    opened(ledger, [2, 1], tenant="large")
    lease = leased(ledger)
    ledger.commit(lease, "v1", outcomes_of(lease, failing=1))
    assert quotas.holdings("large", LANES).waiting[LANE] == 1


def test_jobs_of_a_release_without_quotas_are_counted_by_the_audit(ledger: Ledger, redis: Redis) -> None:
    opened(ledger, [3], tenant="a")
    opened(ledger, [2], tenant="b")
    forget_tenants_waiting(redis)
    lease = leased(ledger)
    ledger.commit(lease, "v1", outcomes_of(lease))
    assert tenants_waiting(redis) == {}, "what was not counted is not taken off either"
    Audit(redis).recount()
    assert tenants_waiting(redis) == {f"{LANE} b": 2}


# Memory


def test_what_is_staged_counts_as_its_tenant_s_before_there_is_a_job(ledger: Ledger, quotas: Quotas) -> None:
    """Otherwise bodies that are being sent would fill Redis, each within its quota."""
    _, limit = quotas.redis_memory()
    quota = MemoryQuota("large", 1, 60_000 / limit)
    first = staged(ledger, quota)
    with pytest.raises(QuotaExceededError) as refused:
        staged(ledger, quota)
    assert refused.value.quota == MEMORY
    assert 40_000 < refused.value.used < 60_000
    assert refused.value.limit == pytest.approx(60_000, abs=2)
    staged(ledger, MemoryQuota("small", 1, 60_000 / limit))
    ledger.discard(first, "large")
    assert quotas.holdings("large", LANES).memory == 0
    staged(ledger, quota)


def test_a_tenant_without_a_quota_may_use_all_that_may_be_used(ledger: Ledger, quotas: Quotas) -> None:
    for _ in range(3):
        staged(ledger, MemoryQuota("alone", 1))
    assert quotas.holdings("alone", LANES).memory > 120_000


def test_nothing_is_staged_beyond_the_share_of_memory_that_may_be_used(ledger: Ledger, quotas: Quotas) -> None:
    used, limit = quotas.redis_memory()
    with pytest.raises(MemoryFullError) as refused:
        staged(ledger, MemoryQuota("local", used / limit / 2))
    assert refused.value.limit == pytest.approx(used / 2, rel=0.01)
    assert [(r.whose, r.what, r.requests) for r in quotas.refusals()] == [("all", MEMORY, 1)]


def test_what_was_accepted_is_done_or_cancelled_although_redis_has_no_memory_left(
    ledger: Ledger, full_redis: Redis
) -> None:
    done, given_up = opened(ledger, [2, 2]), opened(ledger, [2, 2])
    first = leased(ledger)
    fill(full_redis)
    with pytest.raises(OutOfMemoryError):
        opened(ledger, [1])
    assert ledger.commit(first, "v1", outcomes_of(first)) is JobState.RUNNING
    assert ledger.cancel(given_up).state is JobState.CANCELLED
    second = leased(ledger)
    assert ledger.commit(second, "v1", outcomes_of(second)) is JobState.COMPLETED
    assert ledger.job(done).succeeded == 4


def test_a_cancelled_job_gives_its_items_memory_back_and_lists_their_ids(
    ledger: Ledger, redis: Redis, quotas: Quotas
) -> None:
    job, memory = ledger.new_id(), MemoryQuota("large", 1)
    for chunk in range(5):
        texts = [QueuedItem(chunk * 2 + i, f"sku-{chunk * 2 + i}", token_hex(20_000)) for i in range(2)]
        ledger.stage(job, chunk, texts, memory)
    ledger.open(job, new_job(10, 5, tenant="large"))
    lease = leased(ledger)
    ledger.commit(lease, "v1", outcomes_of(lease, failing=1))
    before = stored(redis, job)
    ledger.cancel(job)
    assert before > 200_000
    assert stored(redis, job) < before / 3, "only the first chunk's items are left, for corrections and a retry"
    assert memory_stored(redis, job) <= quotas.holdings("large", LANES).memory < before / 3
    ended = ledger.job(job)
    results = Results(redis)
    listed = {outcome.id: outcome.status for page in results.pages(ended) for _, outcome in page.outcomes}
    assert len(listed) == 10
    assert sum(status is ItemStatus.CANCELLED for status in listed.values()) == 8
    assert [item.id for item, _ in results.retryable(ended, frozenset({ItemStatus.FAILED}))] == ["sku-0"]
    assert results.known(ended, ["sku-7"])["sku-7"].item is None, "a label cannot name an item that is gone"
    assert all(0 < redis.ttl(key) <= 7200 + 3600 for key in job_keys(redis, job)), "nothing stays for ever"


def test_items_are_freed_later_if_the_process_that_cancelled_ended(
    ledger: Ledger, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = opened(ledger, [2, 2])
    with monkeypatch.context() as ended:
        ended.setattr(ledger._freeing, "free", lambda job: None)
        ledger.cancel(job)
    before = memory_stored(redis, job)
    Ledger(redis).free_cancelled()
    assert memory_stored(redis, job) < before


def test_memory_counts_until_it_expires(ledger: Ledger, redis: Redis, quotas: Quotas) -> None:
    job = opened(ledger, [2], tenant="large")
    staged(ledger, MemoryQuota("large", 1))
    lease = leased(ledger)
    ledger.commit(lease, "v1", outcomes_of(lease))
    counted = memory_counted(redis, "large")[job]
    expire_memory(redis, "large")
    expire_results(redis, job)
    Audit(redis).recount()
    assert 1000 < memory_counted(redis, "large")[job] < counted, "the record lasts longer"
    assert len(memory_counted(redis, "large")) == 1, "what was never opened has expired"
    lose_record(redis, job)
    expire_memory(redis, "large")
    Audit(redis).recount()
    assert memory_counted(redis, "large") == {}
    assert quotas.holdings("large", LANES).memory == 0
