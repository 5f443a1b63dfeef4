"""Jobs that take a while, the state of their chunks in Redis, and ways to freeze a process."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from redis import Redis

from shared.ledger.scripts import job_key
from shared.queues import celery_app
from shared.settings import Settings
from shared.telemetry.worker_status import alive
from stack.processes import Process
from stack.services import Stack
from tests.faults.conftest import client
from tests.pictures import clouds, in_base64
from tests.redis_state import LEASES
from tests.waiting import finished, wait_for

Items = list[dict[str, Any]]
Job = dict[str, Any]


@contextmanager
def views(stack: Stack) -> Iterator[tuple[httpx.Client, "Redis"]]:
    """The service as its clients see it, and what lies behind."""
    with client(stack) as api, Redis(port=stack.ports.redis, decode_responses=True) as redis:
        yield api, redis


def texts(count: int) -> Items:
    return [{"id": str(i), "title": f"Jouet en bois {i}"} for i in range(count)]


def pictures(count: int) -> Items:
    """Sixteen of them make a chunk of about a second."""
    picture = {"base64": in_base64(clouds(seed=1, size=224))}
    return [{"id": str(i), "title": f"Jouet en bois {i}", "image": picture} for i in range(count)]


def submitted(api: httpx.Client, items: Items, **options: object) -> Job:
    answer: Job = api.post("/v1/jobs", json={"items": items, **options}).raise_for_status().json()
    return answer


def results(api: httpx.Client, job: Job) -> list[dict[str, Any]]:
    """In the order of the request."""
    page = api.get(job["results_url"], params={"limit": 10_000}).raise_for_status().json()
    return sorted(page["results"], key=lambda result: int(result["index"]))


def completed_once(api: httpx.Client, job: Job, timeout_s: float = 90) -> None:
    """The job completes, with each item in its results exactly once."""
    ended = finished(api, job["url"], timeout_s)
    assert ended["state"] == "completed"
    assert ended["counts"]["succeeded"] == ended["counts"]["total"]
    assert [result["id"] for result in results(api, job)] == [str(i) for i in range(ended["counts"]["total"])]


def leased(redis: "Redis", job: Job) -> set[str]:
    """Return the job's leased chunks."""
    members = (str(member).split() for member in redis.zrange(LEASES, 0, -1))
    return {chunk for owner, chunk, _ in members if owner == job["id"]}


def committed(redis: "Redis", job: Job) -> set[str]:
    return {str(chunk) for chunk in redis.hkeys(job_key(job["id"], "results"))}


def attempts(redis: "Redis", job: Job) -> dict[str, int]:
    """Return how often each uncommitted chunk was leased."""
    return {str(chunk): int(count) for chunk, count in redis.hgetall(job_key(job["id"], "attempts")).items()}


def taken_again(redis: "Redis", job: Job) -> set[str]:
    """Return the chunks that were leased more than once, or are committed."""
    return {chunk for chunk, count in attempts(redis, job).items() if count > 1} | committed(redis, job)


def serving(redis: "Redis") -> int:
    """Return the number of workers with a model loaded."""
    return sum(worker.bundle is not None for worker in alive(redis))


def freeze(process: Process) -> None:
    os.kill(process.pid, signal.SIGSTOP)


def thaw(process: Process) -> None:
    os.kill(process.pid, signal.SIGCONT)


@contextmanager
def frozen(process: Process) -> Iterator[None]:
    """Freeze the process during the block: it keeps its connections, and does and answers nothing."""
    freeze(process)
    try:
        yield
    finally:
        thaw(process)


def frozen_at_work(redis: "Redis", worker: Process, job: Job) -> set[str]:
    """Freeze the only worker while it holds chunks of the job, and return these chunks."""

    def caught() -> set[str] | None:
        if not leased(redis, job):
            return None
        freeze(worker)
        redis.ping()  # once Redis answers, it has done everything that the worker sent before
        if held := leased(redis, job):
            return held
        thaw(worker)
        return None

    return wait_for("a worker holds chunks", caught)


def broker(stack: Stack) -> Any:
    """Return the Celery app that the service's processes share."""
    return celery_app(Settings(redis_url=stack.env["CATALOG_REDIS_URL"], broker_url=stack.env["CATALOG_BROKER_URL"]))
