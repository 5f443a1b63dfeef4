"""The housekeeper repairs lost wake-ups, lost chunks and unreferenced pictures, which the tests make by hand."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from redis import Redis

from shared.ledger.scripts import job_key
from shared.queues import HOUSEKEEPING, Task
from shared.stores.blobs import Blobs
from stack.services import Stack
from tests.faults.conftest import Figure, client, stack_in
from tests.faults.work import (
    Items,
    Job,
    broker,
    completed_once,
    frozen,
    serving,
    submitted,
    texts,
    views,
)
from tests.pictures import clouds, in_base64
from tests.redis_state import add_lease, deadline, lease_count, lose_chunk, lose_turn, queue_key
from tests.waiting import wait_for

_TWO_CHUNKS = texts(300)
_OLD = timedelta(days=2).total_seconds()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack_in(tmp_path_factory.mktemp("reconciler")) as running:
        yield running


@pytest.fixture
def api(stack: Stack) -> Iterator[httpx.Client]:
    with views(stack) as (api, _):
        yield api


@pytest.fixture
def redis(stack: Stack) -> Iterator["Redis"]:
    with views(stack) as (_, redis):
        yield redis


def test_job_starts_although_its_wake_ups_were_lost(
    stack: Stack, api: httpx.Client, redis: "Redis", figure: Figure
) -> None:
    stack.worker.stop()  # one that is merely frozen would have got a message already
    with Redis(port=stack.ports.redis, db=1) as messages:
        job = submitted(api, _TWO_CHUNKS)
        assert messages.delete(queue_key("bulk")) == 1
    stack.start_worker()
    wait_for("the worker serves", lambda: serving(redis))
    served = time.monotonic()
    completed_once(api, job, timeout_s=15)
    figure("a job whose wake-ups were lost is done after", time.monotonic() - served, "s")


@pytest.mark.parametrize("chunks", [["0"], ["1"], ["0", "1"]])
def test_lost_chunks_are_restored(
    stack: Stack, api: httpx.Client, redis: "Redis", figure: Figure, chunks: list[str]
) -> None:
    with frozen(stack.worker):
        job = submitted(api, _TWO_CHUNKS)
        for chunk in chunks:
            assert lose_chunk(redis, job["id"], chunk)
    _send(stack, Task.AUDIT)
    asked = time.monotonic()
    completed_once(api, job, timeout_s=15)
    figure("a job with chunks that were lost is done after its audit in", time.monotonic() - asked, "s")


def test_job_without_a_turn_gets_one(stack: Stack, api: httpx.Client, redis: "Redis") -> None:
    with frozen(stack.worker):
        job = submitted(api, _TWO_CHUNKS)
        assert lose_turn(redis, "bulk", job["id"])
    _send(stack, Task.AUDIT)
    completed_once(api, job, timeout_s=15)


def test_lease_without_a_holder_expires(stack: Stack, api: httpx.Client, redis: "Redis", figure: Figure) -> None:
    with frozen(stack.worker):
        job = submitted(api, _TWO_CHUNKS)
        lose_chunk(redis, job["id"], "0")
        redis.hset(job_key(job["id"], "attempts"), "0", "1")
        add_lease(redis, f"{job['id']} 0 1", until=time.time() + 3)
    planted = time.monotonic()
    completed_once(api, job, timeout_s=15)
    figure("a job with a lease of 3 s that nobody holds is done after", time.monotonic() - planted, "s")


def test_leases_of_deleted_jobs_are_removed(redis: "Redis", stack: Stack) -> None:
    add_lease(redis, f"{'0' * 24} 0", until=1)
    wait_for("the lease is gone", lambda: not lease_count(redis), timeout_s=10)


def test_deadline_passed_without_a_housekeeper_is_applied_later(
    stack: Stack, api: httpx.Client, redis: "Redis", figure: Figure
) -> None:
    with frozen(stack.worker):
        stack.process("housekeeper").kill()
        job = submitted(api, _TWO_CHUNKS, deadline_s=0.5)
        due = deadline(redis, job["id"])
        assert due is not None
        wait_for("the deadline passes", lambda: redis.time()[0] > due)
        assert api.get(job["url"]).json()["state"] == "queued"
        started = time.monotonic()
        stack.start_housekeeper()
        ended = _end_of(api, job)
        figure("a deadline missed by a dead housekeeper is kept after its start in", time.monotonic() - started, "s")
    assert (ended["state"], ended["reason"], ended["counts"]["expired"]) == ("expired", "deadline", len(_TWO_CHUNKS))


def test_results_and_then_the_record_of_a_job_expire(stack: Stack) -> None:
    with _api_with(stack, {"CATALOG_KEEP_RESULTS_S": "1", "CATALOG_KEEP_JOBS_S": "2"}) as api:
        job = submitted(api, texts(1))
        seen: list[int] = []

        def forgotten() -> bool:
            status = api.get(job["results_url"]).status_code
            if status not in seen:
                seen.append(status)
            return status == HTTPStatus.NOT_FOUND

        wait_for("nothing knows the job", forgotten)
        assert seen == [HTTPStatus.OK, HTTPStatus.GONE, HTTPStatus.NOT_FOUND]
        assert api.get(job["url"]).status_code == HTTPStatus.NOT_FOUND


def test_unreferenced_pictures_are_swept(stack: Stack, api: httpx.Client) -> None:
    blobs = Blobs(stack.env["CATALOG_BLOB_URL"])
    failed = submitted(api, _pictured(b"no picture at all"))
    done = submitted(api, _pictured(clouds(1, 64)))
    assert [_end_of(api, job)["state"] for job in (failed, done)] == ["failed", "completed"]
    orphans, young = {blobs.put(b"orphan"), blobs.put(b"another")}, blobs.put(b"young")
    with frozen(stack.worker):
        queued = submitted(api, _pictured(clouds(2, 64)))
        for file in _files(stack):
            if file.name != young:
                os.utime(file, (time.time() - _OLD, time.time() - _OLD))
        before = {file.name for file in _files(stack)}
        kept = {young, _sha256(b"no picture at all"), *(_sha256(clouds(seed, 64)) for seed in (1, 2))}
        assert before == orphans | kept
        _send(stack, Task.SWEEP)
        log = stack.process("housekeeper").log
        wait_for("the sweep ends", lambda: "2 pictures that no job refers to were removed" in log.read_text())
        assert {file.name for file in _files(stack)} == kept
    assert _end_of(api, queued)["state"] == "completed"
    assert api.post(f"{failed['url']}/retry").status_code == HTTPStatus.ACCEPTED


def _pictured(picture: bytes) -> Items:
    return [{"id": "0", "image": {"base64": in_base64(picture)}}]


def _files(stack: Stack) -> list[Path]:
    return [file for file in (stack.state / "blobs").rglob("*") if file.is_file()]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _end_of(api: httpx.Client, job: Job) -> Job:
    """The job once it has ended."""

    def ended() -> Job | None:
        now: Job = api.get(job["url"]).raise_for_status().json()
        return now if now["finished_at"] else None

    return wait_for("the job ends", ended)


def _send(stack: Stack, task: str) -> None:
    broker(stack).send_task(task, queue=HOUSEKEEPING)


@contextmanager
def _api_with(stack: Stack, settings: dict[str, str]) -> Iterator[httpx.Client]:
    """An API with other settings, in place of the one that runs."""
    stack.process("api").stop()
    stack.start_api(settings)
    try:
        with client(stack) as api:
            yield api
    finally:
        stack.process("api").stop()
        stack.start_api()
