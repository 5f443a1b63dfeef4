"""Notices of a real Redis: what is told, and what is looked at because nobody was told."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from redis import Redis

from api.http import notices as module
from api.http.notices import Notices, Topic
from shared.background import Background
from shared.ledger import CHANGES, Ledger, Trainings, ended_among, read_change
from shared.registry.state import ANSWERED, ChangeAnswer, Models
from shared.settings import Settings
from shared.stores.opening import open_subscriber
from tests.jobs import ended, leased, opened, outcomes_of
from tests.redis_state import end_silently, pass_deadline

NEVER_S = 3600
"""Before anything is looked at again."""
PATIENCE_S = 60

Test = Callable[[Notices], Coroutine[Any, Any, None]]


@pytest.fixture
def looked_at() -> set[str]:
    """Jobs at which a look has ended."""
    return set()


@pytest.fixture
def told(redis: Redis, redis_port: int, looked_at: set[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[Test], None]:
    """Runs a test with notices from Redis, beside which nothing is looked at while the subscription stands."""
    monkeypatch.setattr(module, "LOOK_S", NEVER_S)
    settings = Settings(redis_url=f"redis://127.0.0.1:{redis_port}/0")

    def look(jobs: Sequence[str]) -> set[str]:
        over = ended_among(redis, jobs)
        looked_at.update(jobs)
        return over

    async def run(test: Test) -> None:
        subscriber = open_subscriber(settings)
        topics = {
            CHANGES: Topic(read_change, look),
            ANSWERED: Topic(lambda ticket: (ticket.decode(), True), Models(redis).answered),
        }
        notices = Notices(subscriber, topics, Background("listening"))
        listening = asyncio.create_task(notices.listen())
        try:
            await test(notices)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await subscriber.aclose()

    return lambda test: asyncio.run(run(test))


async def until_it_stands(notices: Notices) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not notices.subscribed:
            await asyncio.sleep(0.01)


def test_each_step_that_changes_a_job_is_told(told: Callable[[Test], None], ledger: Ledger) -> None:
    async def test(notices: Notices) -> None:
        await until_it_stands(notices)
        job = opened(ledger, [1, 1])
        with notices.awaiting(CHANGES, job) as awaited:
            lease = leased(ledger)
            await awaited.changed(0, PATIENCE_S)
            assert awaited.changes == 1, "it runs"
            ledger.commit(lease, "v1", outcomes_of(lease))
            await awaited.changed(1, PATIENCE_S)
            assert (awaited.changes, awaited.is_over) == (2, False)
            lease = leased(ledger)
            ledger.commit(lease, "v1", outcomes_of(lease))
            assert await awaited.over(PATIENCE_S)

    told(test)


def test_a_report_of_a_training_is_told(told: Callable[[Test], None], redis: Redis, ledger: Ledger) -> None:
    async def test(notices: Notices) -> None:
        await until_it_stands(notices)
        with notices.awaiting(CHANGES, opened(ledger, [1])) as awaited:
            lease = leased(ledger)
            await awaited.changed(0, PATIENCE_S)
            assert Trainings(redis).report(lease, attempts=1)
            await awaited.changed(1, PATIENCE_S)
            assert (awaited.changes, awaited.is_over) == (2, False)

    told(test)


@pytest.mark.parametrize("end", ["cancelled", "expired"])
def test_an_end_without_a_commit_is_told(told: Callable[[Test], None], redis: Redis, ledger: Ledger, end: str) -> None:
    async def test(notices: Notices) -> None:
        await until_it_stands(notices)
        job = opened(ledger, [1])
        with notices.awaiting(CHANGES, job) as awaited:
            if end == "expired":
                pass_deadline(redis, job)
                ledger.expire()
            else:
                ledger.cancel(job)
            assert await awaited.over(PATIENCE_S)
        assert ledger.job(job).state == end

    told(test)


def test_an_end_before_the_wait_began_is_found(told: Callable[[Test], None], ledger: Ledger) -> None:
    async def test(notices: Notices) -> None:
        await until_it_stands(notices)
        with notices.awaiting(CHANGES, ended(ledger)) as awaited:
            assert await awaited.over(PATIENCE_S)
        with notices.awaiting(CHANGES, ledger.new_id()) as nothing:
            assert await nothing.over(PATIENCE_S), "a job that is gone does not end any more"

    told(test)


def test_an_end_while_the_subscription_was_broken_is_found(
    told: Callable[[Test], None], looked_at: set[str], redis: Redis, ledger: Ledger
) -> None:
    async def test(notices: Notices) -> None:
        await until_it_stands(notices)
        with notices.awaiting(CHANGES, job := opened(ledger, [1])) as awaited:
            lease = leased(ledger)
            async with asyncio.timeout(PATIENCE_S):
                while job not in looked_at:
                    await asyncio.sleep(0.01)
            redis.client_kill_filter(_type="pubsub")
            ledger.commit(lease, "v1", outcomes_of(lease))
            assert await awaited.over(PATIENCE_S)
            assert notices.subscribed

    told(test)


def test_an_end_that_a_process_of_the_release_before_has_not_told_is_found(
    told: Callable[[Test], None], redis: Redis, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.1)

    async def test(notices: Notices) -> None:
        await until_it_stands(notices)
        with notices.awaiting(CHANGES, job := opened(ledger, [1])) as awaited:
            end_silently(redis, job)
            assert await awaited.over(PATIENCE_S)

    told(test)


def test_the_answer_to_a_ticket_is_told(told: Callable[[Test], None], redis: Redis) -> None:
    async def test(notices: Notices) -> None:
        await until_it_stands(notices)
        answer = ChangeAnswer(state=None, problem="no such version", refused=True)
        with notices.awaiting(ANSWERED, "ticket") as awaited:
            Models(redis).answer("ticket", answer)
            assert await awaited.over(PATIENCE_S)
        with notices.awaiting(ANSWERED, "ticket") as late:
            assert await late.over(PATIENCE_S)
        assert Models(redis).answer_to("ticket") == answer

    told(test)
