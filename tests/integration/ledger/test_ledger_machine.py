"""The ledger under random interleavings, against a real Redis."""

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from shared.ledger import (
    TERMINAL,
    TRANSITIONS,
    Answered,
    Audit,
    Claim,
    Idempotency,
    ItemStatus,
    Job,
    JobState,
    Lease,
    Ledger,
    QueueFullError,
    QuotaExceededError,
    Quotas,
    Results,
    SupersededError,
)
from tests.jobs import LANE, opened, outcomes_of
from tests.redis_state import (
    claims,
    expire_leases,
    lose_part,
    lose_turns,
    memory_counted,
    memory_stored,
    pass_deadline,
    tenants_waiting,
)

MOST = 25
"""Items that may wait."""
MOST_OF_ONE = 15
"""Items of one tenant that may wait."""
TENANTS = ("local", "acme")


class LedgerMachine(RuleBasedStateMachine):
    """Clients that submit, repeat, cancel and retry; workers that commit, vanish, come late and give up; deadlines."""

    client: Redis
    jobs: "Bundle[str]" = Bundle("jobs")
    leases: "Bundle[Lease]" = Bundle("leases")
    claims: "Bundle[tuple[str, Claim]]" = Bundle("claims")

    @initialize()
    def start(self) -> None:
        self.client.flushdb()
        self.ledger, self.results = Ledger(self.client), Results(self.client)
        self.keys, self.audit, self.quotas = Idempotency(self.client), Audit(self.client), Quotas(self.client)
        self.before: dict[str, Job] = {}
        self.answers: dict[str, str] = {}

    # Clients

    @rule(
        target=jobs,
        chunks=st.lists(st.integers(1, 3), min_size=1, max_size=4),
        invalid=st.integers(0, 2),
        budget=st.none() | st.integers(0, 100),
        tenant=st.sampled_from(TENANTS),
    )
    def submit(self, chunks: list[int], invalid: int, budget: int | None, tenant: str) -> Any:
        return self._opened(chunks, invalid=invalid, error_budget=budget, tenant=tenant)

    @rule(target=claims, key=st.sampled_from("ab"))
    def claim(self, key: str) -> Any:
        """A request begins; nobody else may have the key, and an answered one leads to its job for good."""
        for claimed in claims(self.client):
            if self.client.hexists(claimed, "token"):  # its holder is presumed dead
                self.client.delete(claimed)
        found = self.keys.claim("local", "submit", key)
        if isinstance(found, Answered):
            assert found.answer == self.answers[key]
            return ("", Claim("", ""))
        return (key, found)

    @rule(target=jobs, claimed=consumes(claims))
    def submit_with_key(self, claimed: tuple[str, Claim]) -> Any:
        """It may have been overtaken: then it opens nothing."""
        key, claim = claimed
        if not key:
            return ""
        ours = self.keys.renew(claim)
        try:
            job = opened(self.ledger, [1, 1], claim=claim, max_queued=MOST)
        except (QueueFullError, SupersededError) as error:
            assert ours == isinstance(error, QueueFullError)  # noqa: PT017  # either is right, but not in either case
            return ""
        assert ours
        assert key not in self.answers, "one key leads to one job"
        self.answers[key] = job
        return self._known(job)

    @rule(job=jobs)
    def cancel(self, job: str) -> None:
        if job:
            self.ledger.cancel(job)

    @rule(target=jobs, job=jobs)
    def retry(self, job: str) -> Any:
        """A child job with what failed or was never done: exactly those, each once."""
        if not job or not self.ledger.job(job).ended:
            return ""
        parent = self.ledger.job(job)
        unfinished = frozenset({ItemStatus.FAILED, ItemStatus.CANCELLED, ItemStatus.EXPIRED})
        items = [item for item, _ in self.results.retryable(parent, unfinished)]
        if parent.state is JobState.CANCELLED:  # those that it never did have been freed
            unfinished -= {ItemStatus.CANCELLED}
        wanted = {o.id for page in self.results.pages(parent) for _, o in page.outcomes if o.status in unfinished}
        assert {item.id for item in items} == wanted
        assert len(items) == len(wanted)
        return self._opened([len(items)], parent=job) if items else ""

    # Workers

    @rule(target=leases)
    def lease(self) -> Any:
        return self.ledger.lease(LANE)

    @rule(lease=leases, failing=st.integers(0, 3), unsure=st.integers(0, 3))
    def commit(self, lease: Lease | None, failing: int, unsure: int) -> None:
        """Perhaps for the second time, perhaps long after the lease has run out."""
        if lease:
            self.ledger.commit(lease, "v1", outcomes_of(lease, failing, unsure))

    @rule(lease=leases)
    def give_back(self, lease: Lease | None) -> None:
        if lease:
            self.ledger.release([lease])

    @rule(lease=leases, lost=st.booleans())
    def defer(self, lease: Lease | None, lost: bool) -> None:
        if lease:
            self.ledger.defer(lease, 0, lost=lost)

    @rule(lease=leases)
    def renew(self, lease: Lease | None) -> None:
        if lease:
            self.ledger.renew([lease])

    @rule()
    def crash(self) -> None:
        """All workers die, and their leases run out."""
        expire_leases(self.client)
        self.ledger.recover()

    # Time, and what nobody foresaw

    @rule(job=jobs, noticed=st.booleans())
    def expire(self, job: str, noticed: bool) -> None:
        """The deadline passes; the reconciler may not look before somebody else does."""
        if job and not self.ledger.job(job).ended:
            pass_deadline(self.client, job)
            if noticed:
                self.ledger.expire()

    @rule(job=jobs, damage=st.sampled_from(["ready", "lane"]))
    def lose_a_key_and_audit(self, job: str, damage: str) -> None:
        if job and not self.ledger.job(job).ended:
            if damage == "ready":
                lose_part(self.client, job, "ready")
            else:
                lose_turns(self.client, LANE)
        for live in self.audit.live_jobs():
            self.audit.restore(live)

    @invariant()
    def the_books_are_right(self) -> None:
        pending, waiting = 0, Counter[str]()
        for job, before in list(self.before.items()):
            now = self.ledger.job(job)
            self._is_legal(before, now)
            self._counts_add_up(now)
            pending += now.pending
            waiting[f"{LANE} {now.tenant}"] += now.pending
            self.before[job] = now
        assert self.ledger.pending(LANE) == pending <= MOST
        live = {job for job, now in self.before.items() if now.state not in TERMINAL}
        assert set(self.audit.live_jobs()) == live
        assert tenants_waiting(self.client) == +waiting
        self._memory_is_counted()

    def _memory_is_counted(self) -> None:
        """Byte for byte, beside the same amount for each job's record."""
        counted = {job: held for tenant in TENANTS for job, held in memory_counted(self.client, tenant).items()}
        assert counted.keys() == self.before.keys()
        assert len({held - memory_stored(self.client, job) for job, held in counted.items()}) <= 1
        by_tenant = [sum(memory_counted(self.client, tenant).values()) for tenant in TENANTS]
        assert [self.quotas.holdings(tenant, (LANE,)).memory for tenant in TENANTS] == by_tenant

    def _is_legal(self, before: Job, now: Job) -> None:
        assert now.state is before.state or now.state in _reachable(before.state)
        assert set(before.times.items()) <= set(now.times.items())
        if before.ended:
            assert now == _at(before, now.read_at), "a terminal state never changes"
        assert now.succeeded >= before.succeeded
        assert now.failed >= before.failed

    def _counts_add_up(self, now: Job) -> None:
        outcomes = [outcome for page in self.results.pages(now, limit=2) for _, outcome in page.outcomes]
        assert len({outcome.index for outcome in outcomes}) == len(outcomes), "an item has one outcome"
        by_status = [sum(o.status is status for o in outcomes) for status in ItemStatus]
        assert by_status == [now.succeeded, now.failed, now.invalid, now.cancelled, now.expired]
        assert now.needs_review == sum(outcome.needs_review for outcome in outcomes)
        assert now.pending == now.total - len(outcomes) >= 0
        assert not now.ended or now.pending == 0

    def _opened(self, chunks: list[int], **more: Any) -> str:
        try:
            return self._known(opened(self.ledger, chunks, max_queued=MOST, max_waiting=MOST_OF_ONE, **more))
        except QueueFullError:
            return ""
        except QuotaExceededError as error:
            assert error.used + sum(chunks) > error.limit == MOST_OF_ONE  # noqa: PT017  # it must be right
            return ""

    def _known(self, job: str) -> str:
        self.before[job] = self.ledger.job(job)
        return job

    def teardown(self) -> None:
        """Whatever happened: a worker that goes on brings every job to its end."""
        if not hasattr(self, "ledger"):
            return
        self.crash()
        while lease := self.ledger.lease(LANE):
            self.ledger.commit(lease, "v1", outcomes_of(lease))
        self.ledger.expire()
        for job in self.before:
            assert self.ledger.job(job).ended
        self.the_books_are_right()
        assert self.ledger.pending(LANE) == 0


def _reachable(state: JobState) -> set[JobState]:
    """In any number of legal steps: one rule may lead through two."""
    following = set(TRANSITIONS[state])
    return following | {later for after in following for later in TRANSITIONS[after]}


def _at(job: Job, moment: float) -> Job:
    return replace(job, read_at=moment)


def test_invariants_hold_in_any_interleaving_of_steps(redis: Redis) -> None:
    LedgerMachine.client = redis
    run_state_machine_as_test(LedgerMachine, settings=settings(max_examples=80, stateful_step_count=30, deadline=None))
