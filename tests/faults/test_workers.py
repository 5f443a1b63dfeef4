"""Workers that die, are told to end, or come back from the dead: each item of a job is done exactly once."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import pytest
from redis import Redis

from shared.ledger import LEASE_S
from shared.queues import Lane, wake
from stack.processes import Process
from stack.services import Stack
from tests.faults.conftest import Figure, Service
from tests.faults.work import (
    attempts,
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
from tests.pictures import jpeg
from tests.waiting import wait_for

_GONE_WITHIN_S = 10


def test_a_killed_workers_chunks_are_taken_over_by_another(service: Service, figure: Figure) -> None:
    stack = service()
    with views(stack) as (api, redis):
        dying, other = _two_workers(stack, redis)
        freeze(other)
        job = submitted(api, pictures(128))
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
        job = submitted(api, pictures(96))
        wait_for("some are done, others in hand", lambda: committed(redis, job) and leased(redis, job))
        for worker in workers:
            worker.kill()
        before = committed(redis, job)
        wait_for("nobody holds a chunk", lambda: not leased(redis, job))
        started = time.monotonic()
        stack.start_worker()
        wait_for("the job goes on", lambda: committed(redis, job) > before)
        figure("a job goes on after the start of a worker", time.monotonic() - started, "s")
        completed_once(api, job)


def test_a_worker_that_is_told_to_end_leaves_nothing_behind(service: Service, figure: Figure) -> None:
    stack = service()
    with views(stack) as (api, redis):
        ending, other = _two_workers(stack, redis)
        freeze(other)
        job = submitted(api, pictures(128))
        wait_for("a chunk is in hand", lambda: leased(redis, job))
        figure("a worker in the middle of a job ends after SIGTERM within", _ended(ending), "s")
        assert not leased(redis, job)
        handed_back = set(attempts(redis, job))
        thaw(other)
        thawed = time.monotonic()
        wait_for("the other worker goes on", lambda: handed_back <= taken_again(redis, job), timeout_s=LEASE_S)
        figure("chunks handed back", len(handed_back), "")
        figure("chunks handed back are taken by another worker within", time.monotonic() - thawed, "s")
        completed_once(api, job)


def test_a_picture_that_never_comes_does_not_hold_up_the_end_of_a_worker(service: Service, figure: Figure) -> None:
    with _slow_picture() as (url, may_answer):
        stack = service({"CATALOG_IMAGE_TIMEOUT_S": "20"})
        with views(stack) as (api, redis):
            job = submitted(api, [{**item, "image": {"url": url}} for item in texts(40)])
            wait_for("a chunk is in hand", lambda: leased(redis, job))
            figure("a worker that waits for a picture ends after SIGTERM within", _ended(stack.worker), "s")
            assert not leased(redis, job)
            assert serving(redis) == 0
            may_answer.set()
            stack.start_worker()
            completed_once(api, job)


def test_a_late_commit_of_a_worker_thought_dead_counts_nothing(service: Service) -> None:
    stack = service()
    with views(stack) as (api, redis):
        sleeping, other = _two_workers(stack, redis)
        freeze(other)
        job = submitted(api, pictures(96))
        held = frozen_at_work(redis, sleeping, job)
        thaw(other)
        wait_for("another worker has done its chunks", lambda: held <= committed(redis, job))
        thaw(sleeping)
        sleeping.stop()  # it ends what it has in hand first
        completed_once(api, job)


@pytest.mark.parametrize("lost", ["the messages", "all the broker knows"])
def test_wake_ups_may_come_in_hundreds_or_not_at_all(service: Service, lost: str) -> None:
    stack = service()
    with views(stack) as (api, redis), Redis(port=stack.ports.redis, db=1) as messages:
        job = submitted(api, pictures(64))
        wait_for("a chunk is in hand", lambda: leased(redis, job))
        for lane in Lane:
            wake(broker(stack), lane, 200)
        if lost == "the messages":
            messages.delete(*messages.scan_iter(_type="list"))
        else:
            messages.flushdb()
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


@contextmanager
def _slow_picture() -> Iterator[tuple[str, Event]]:
    """The URL of a picture that nobody gets before the event."""
    may_answer = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            may_answer.wait()
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):  # whoever asked may be gone
                self.wfile.write(jpeg())

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/lampe.jpg", may_answer
        finally:
            may_answer.set()
            server.shutdown()
