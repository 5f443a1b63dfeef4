"""Workers that die, are told to end, or come back from the dead: each item of a job is done exactly once."""

import os
import signal
import time

import pytest
from redis import Redis

from shared.ledger import LEASE_S
from shared.queues import Lane, wake
from stack.processes import Process
from stack.services import Stack
from tests.faults.conftest import Figure, Service
from tests.faults.work import (
    broker,
    committed,
    completed_once,
    freeze,
    frozen_at_work,
    leased,
    pictures,
    serving,
    submitted,
    taken_again,
    texts,
    thaw,
    views,
)
from tests.late_picture import late_picture
from tests.redis_state import queue_key
from tests.waiting import wait_for

_GONE_WITHIN_S = 10


def test_a_killed_workers_chunks_are_taken_over_by_another(service: Service, figure: Figure) -> None:
    stack = service()
    with views(stack) as (api, redis):
        dying, other = _two_workers(stack, redis)
        freeze(other)
        job = submitted(api, pictures(96))
        held = frozen_at_work(redis, dying, job)
        thaw(other)
        dying.kill()
        killed = time.monotonic()
        wait_for("its chunks are taken over", lambda: held <= taken_again(redis, job), timeout_s=15)
        figure("a killed worker's chunks are taken over after", time.monotonic() - killed, "s")
        completed_once(api, job)


def test_a_job_outlives_all_workers(service: Service, figure: Figure) -> None:
    stack = service()
    with views(stack) as (api, redis):
        workers = _two_workers(stack, redis)
        job = submitted(api, pictures(64))
        wait_for("some chunks are committed, others leased", lambda: committed(redis, job) and leased(redis, job))
        for worker in workers:
            worker.kill()
        before = committed(redis, job)
        wait_for("nobody holds a chunk", lambda: not leased(redis, job))
        started = time.monotonic()
        stack.start_worker()
        wait_for("the job goes on", lambda: committed(redis, job) > before)
        figure("a job goes on after the start of a worker", time.monotonic() - started, "s")
        completed_once(api, job)


def test_stopped_worker_leaves_no_lease(service: Service, figure: Figure) -> None:
    stack = service()
    with views(stack) as (api, redis):
        ending, other = _two_workers(stack, redis)
        freeze(other)
        job = submitted(api, pictures(64))
        wait_for("a chunk is leased", lambda: leased(redis, job))
        figure("a worker in the middle of a job ends after SIGTERM within", _ended(ending), "s")
        assert not leased(redis, job)
        thaw(other)
        completed_once(api, job)


def test_stopped_worker_hands_back_unfinished_chunks(service: Service, figure: Figure) -> None:
    with late_picture() as (url, may_answer):
        stack = service({"CATALOG_IMAGE_TIMEOUT_S": "20"})
        with views(stack) as (api, redis):
            ending, other = _two_workers(stack, redis)
            freeze(other)
            job = submitted(api, [{**item, "image": {"url": url}} for item in texts(40)])
            wait_for("all three chunks are leased", lambda: len(leased(redis, job)) == 3)
            figure("a worker that waits for a picture ends after SIGTERM within", _ended(ending), "s")
            assert not leased(redis, job)
            thaw(other)
            thawed = time.monotonic()
            wait_for("another has all chunks", lambda: len(taken_again(redis, job)) == 3, timeout_s=LEASE_S / 2)
            figure("what a worker hands back is taken by another after", time.monotonic() - thawed, "s")
            may_answer.set()
            completed_once(api, job)


def test_late_commit_of_a_lost_worker_changes_nothing(service: Service) -> None:
    stack = service()
    with views(stack) as (api, redis):
        sleeping, other = _two_workers(stack, redis)
        freeze(other)
        job = submitted(api, pictures(96))
        held = frozen_at_work(redis, sleeping, job)
        thaw(other)
        wait_for("another worker has done its chunks", lambda: held <= committed(redis, job))
        thaw(sleeping)
        sleeping.stop()  # it finishes its chunks first
        completed_once(api, job)


@pytest.mark.parametrize("lost", ["the messages", "all the broker knows"])
def test_work_is_done_with_too_many_or_no_wake_ups(service: Service, lost: str) -> None:
    stack = service()
    with views(stack) as (api, redis), Redis(port=stack.ports.redis, db=1) as messages:
        job = submitted(api, pictures(64))
        wake(broker(stack), Lane.BULK, 200)
        frozen_at_work(redis, stack.worker, job)
        wake(broker(stack), Lane.BULK, 200)
        if lost == "the messages":
            assert messages.delete(queue_key("bulk")) == 1
        else:
            messages.flushdb()
        thaw(stack.worker)
        completed_once(api, job)


def _two_workers(stack: Stack, redis: "Redis") -> tuple[Process, Process]:
    """Once both serve."""
    first, second = stack.worker, stack.start_worker("worker-2")
    wait_for("both serve", lambda: serving(redis) == 2)
    return first, second


def _ended(worker: Process) -> float:
    """Seconds from SIGTERM to the worker's end."""
    told = time.monotonic()
    os.kill(worker.pid, signal.SIGTERM)
    wait_for("the worker ends", lambda: not worker.running, _GONE_WITHIN_S)
    return time.monotonic() - told
