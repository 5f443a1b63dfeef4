"""A replay promises what a first answer does: that the job is on disk."""

from collections.abc import Callable

import httpx
import pytest
from redis import Redis

from shared.ledger import Ledger
from shared.queues import Lane
from stack.services import Stack
from tests.faults.conftest import Service, client
from tests.faults.work import submitted, texts
from tests.jobs import outcomes_of
from tests.redis_state import live_jobs

KEY = {"Idempotency-Key": "until it is on disk"}


def _job(api: httpx.Client, _: Ledger) -> Callable[[], httpx.Response]:
    return lambda: api.post("/v1/jobs", json={"items": texts(1)}, headers=KEY)


def _retry(api: httpx.Client, ledger: Ledger) -> Callable[[], httpx.Response]:
    parent = submitted(api, texts(1))
    lease = ledger.lease(Lane.INTERACTIVE)
    assert lease is not None
    ledger.commit(lease, "v1", outcomes_of(lease, failing=1))
    return lambda: api.post(f"{parent['url']}/retry", headers=KEY)


def _training(api: httpx.Client, _: Ledger) -> Callable[[], httpx.Response]:
    return lambda: api.post("/v1/trainings", json={}, headers=KEY)


@pytest.mark.parametrize("of", [_job, _retry, _training])
def test_replay_confirms_that_the_job_is_on_disk(
    parts: Service, of: Callable[[httpx.Client, Ledger], Callable[[], httpx.Response]]
) -> None:
    stack = _accepting(parts)
    with client(stack) as api, Redis(port=stack.ports.redis) as redis:
        send = of(api, Ledger(redis))
        redis.config_set("appendfsync", "no")  # Redis cannot tell when a write reaches the disk
        for _ in range(2):
            unsure = send()
            assert (unsure.status_code, unsure.json()["type"].rsplit(":", 1)[-1]) == (503, "not-on-disk")
        redis.config_set("appendfsync", "everysec")
        confirmed = send()
        assert (confirmed.status_code, confirmed.headers["Idempotency-Replayed"]) == (202, "true")
        assert live_jobs(redis) == {unsure.json()["job_id"].encode()} == {confirmed.json()["id"].encode()}


def _accepting(parts: Service) -> Stack:
    """A service that accepts jobs and does none."""
    stack = parts()
    stack.start_redis()
    stack.start_api()
    return stack
