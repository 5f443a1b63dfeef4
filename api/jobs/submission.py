"""Accepts jobs: all of a request or nothing."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from celery import Celery
from fastapi.concurrency import run_in_threadpool
from pydantic import HttpUrl
from redis import Redis

from api.dependencies import service
from api.http.problems import Problem
from api.ingest import Intake
from api.jobs.assembly import JobAssembly
from api.jobs.schemas import JobOptions
from api.lifecycle.opening import not_on_disk, open_job, replay
from api.lifecycle.options import check_deadline, validated
from api.lifecycle.quotas import TenantQuotas
from api.lifecycle.webhooks import check_webhook
from shared.ledger import (
    MAX_DEADLINE_S,
    Answered,
    Claim,
    ItemStatus,
    Job,
    JobState,
    Ledger,
    NewJob,
    PictureUse,
    QueuedItem,
    QueueFullError,
    Results,
)
from shared.queues import Lane, wake
from shared.settings import Settings
from shared.stores.blobs import Blobs
from shared.tenants.webhook_secrets import signing_secrets

T = TypeVar("T")

_INTERACTIVE_ITEMS = 16
"""Jobs of up to this many items overtake the larger ones."""
_PASSING_S = 3600
"""How long a job lives whose answer is awaited in its own request."""
_LONGEST_WAIT_S = 300
"""The longest time after which a client is asked to try again."""


class JobSubmissions:
    def __init__(self, settings: Settings, redis: Redis, blobs: Blobs, queue: Celery, quotas: TenantQuotas) -> None:
        signing_secrets(settings.webhook_secrets, "")  # a malformed secret must stop the server at its start
        self._settings = settings
        self._ledger = Ledger(redis)
        self._results = Results(redis)
        self._blobs = blobs
        self._queue = queue
        self._quotas = quotas

    async def accept(
        self,
        intake: Intake,
        tenant: str,
        claim: Claim | None = None,
        *,
        passing: bool = False,
        explain: bool = False,
    ) -> Job:
        """Validate and stage every item, then open the job.

        Args:
            claim: The request's idempotency key, which leads to the job from then on.
            passing: The answer is awaited in this request: the job is kept for an hour, not listed, and not tracked
                in MLflow.
            explain: Its outcomes say why.

        Raises:
            Problem: an item is invalid and none may be skipped (each is named), there are no items or too many, an
                option is wrong, or too many items are queued already.
            QuotaExceededError, MemoryFullError: too much of the tenant is queued or kept, or of all tenants.
            OSError: the pictures cannot be stored.
        """
        self._options(intake.options)  # those of the query, before a long body is read
        memory = await run_in_threadpool(self._quotas.memory, tenant)
        async with JobAssembly(self._settings, self._ledger, memory, intake.spool, intake.pictures) as assembly:
            async for raw in intake.items:
                await assembly.add(raw)
                if assembly.total == _INTERACTIVE_ITEMS + 1:
                    await run_in_threadpool(self._refuse_if_full, tenant)
            options = self._options(intake.options)
            assembly.invalid.check(assembly.total, options.on_invalid, "items")
            await assembly.finish(self._blobs)
        new = replace(self._new(assembly, tenant, options, passing), explain=explain)
        return await run_in_threadpool(self._open, assembly, new, claim, intake.fingerprint() if claim else "")

    async def explain(self, parent: Job, item: QueuedItem) -> Job:
        """Open a passing job with an item of an earlier job, whose outcome says why.

        Raises:
            Problem, QuotaExceededError, MemoryFullError: as `accept` does.
        """
        memory = await run_in_threadpool(self._quotas.memory, parent.tenant)
        async with JobAssembly(self._settings, self._ledger, memory) as assembly:
            await assembly.again(item, None)
            await assembly.finish(self._blobs)
        options = JobOptions(pictures=parent.pictures.value)
        new = replace(self._new(assembly, parent.tenant, options, passing=True), explain=True)
        return await run_in_threadpool(self._open, assembly, new, None, "")

    async def retry(self, parent: Job, statuses: frozenset[ItemStatus], claim: Claim | None, fingerprint: str) -> Job:
        """Open a job with those items of an ended job that have one of the statuses.

        Raises:
            Problem: the parent has not ended, or none of its items has one of the statuses.
        """
        if not parent.ended:
            detail = f"Job {parent.id} is {parent.state}: wait until it has ended, or cancel it."
            raise Problem(HTTPStatus.CONFLICT, "job-not-ended", detail)
        memory = await run_in_threadpool(self._quotas.memory, parent.tenant)
        async with JobAssembly(self._settings, self._ledger, memory) as assembly:
            async for item, sent in _in_threads(self._results.retryable(parent, statuses)):
                await assembly.again(item, sent)
            if not assembly.total:
                detail = f"Job {parent.id} has no items that are {', '.join(sorted(statuses))}{_freed(parent)}."
                raise Problem(HTTPStatus.CONFLICT, "nothing-to-retry", detail)
            await assembly.finish(self._blobs)
        webhook_url = HttpUrl(parent.webhook_url) if parent.webhook_url else None
        options = JobOptions(webhook_url=webhook_url, pictures=parent.pictures.value)
        new = self._new(assembly, parent.tenant, options, passing=False)
        new = replace(new, parent=parent.id, name=parent.name, metadata=parent.metadata)
        return await run_in_threadpool(self._open, assembly, new, claim, fingerprint)

    async def replay(self, answered: Answered, fingerprint: str) -> Job:
        """Return the job of the first request with the key as it was accepted; raises as `opening.replay` does."""
        return await run_in_threadpool(replay, self._ledger, self._settings, answered, fingerprint, _url)

    def _new(self, assembly: JobAssembly, tenant: str, options: JobOptions, passing: bool) -> NewJob:
        settings = self._settings
        return NewJob(
            tenant=tenant,
            lane=Lane.INTERACTIVE if assembly.total <= _INTERACTIVE_ITEMS else Lane.BULK,
            total=assembly.total,
            invalid=assembly.invalid.count,
            chunks=assembly.chunks,
            deadline_s=_PASSING_S if passing else options.deadline_s or MAX_DEADLINE_S,
            error_budget=options.error_budget,
            max_queued=settings.max_queued_items,
            keep_s=_PASSING_S if passing else settings.keep_results_s,
            keep_record_s=0 if passing else settings.keep_jobs_s,
            webhook_url=None if options.webhook_url is None else str(options.webhook_url),
            tracked=not passing,
            listed=not passing,
            keep_inputs=settings.keep_inputs,
            columns=assembly.columns.names,
            pictures=PictureUse(options.pictures),
            name=options.name,
            metadata=options.metadata or {},
        )

    def _open(self, assembly: JobAssembly, new: NewJob, claim: Claim | None, fingerprint: str) -> Job:
        lane, new = Lane(new.lane), replace(new, max_waiting=self._quotas.items())
        try:
            on_disk = open_job(self._ledger, self._settings, assembly.id, new, claim=claim, fingerprint=fingerprint)
        except QueueFullError:
            raise self._full(lane) from None
        wake(self._queue, lane, min(assembly.chunks, self._settings.bulk_slots))
        if not on_disk:
            raise not_on_disk(assembly.id, _url(assembly.id))
        return self._ledger.job(assembly.id)

    def _refuse_if_full(self, tenant: str) -> None:
        """Refuse a large job before the rest of its body is read."""
        most, tenants_most = self._settings.max_queued_items, self._quotas.items()
        try:
            self._ledger.check_room(Lane.BULK, tenant, _INTERACTIVE_ITEMS + 1, most, tenants_most)
        except QueueFullError:
            raise self._full(Lane.BULK) from None

    def _full(self, lane: str) -> Problem:
        """The answer while the lane is full; to be retried when, at the last minute's rate, a tenth is done."""
        rate = self._ledger.rate(lane)
        wait_s = self._settings.max_queued_items / 10 / rate if rate else _LONGEST_WAIT_S
        detail = (
            f"{self._ledger.pending(lane):,} items are queued already; the limit is "
            f"{self._settings.max_queued_items:,}. Nothing of this request was accepted: send it again later."
        )
        headers = {"Retry-After": str(round(min(max(wait_s, 1), _LONGEST_WAIT_S)))}
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "queue-full", detail, headers=headers)

    def _options(self, received: dict[str, Any]) -> JobOptions:
        options = validated(JobOptions, received)
        if options.webhook_url is not None:
            check_webhook(str(options.webhook_url), self._settings)
        if options.deadline_s is not None:
            check_deadline(options.deadline_s)
        return options


JobSubmissionsDep = Annotated[
    JobSubmissions,
    service(
        lambda stores: JobSubmissions(
            stores.settings, stores.redis, stores.blobs, stores.queue, TenantQuotas(stores.settings, stores.redis)
        )
    ),
]


def _url(job_id: str) -> str:
    return f"/v1/jobs/{job_id}"


def _freed(parent: Job) -> str:
    if parent.state is not JobState.CANCELLED:
        return ""
    return " and still kept: a cancelled job keeps only what was classified, so send the other items again"


async def _in_threads(items: Iterator[T]) -> AsyncIterator[T]:
    """Iterate in threads, because the iterator blocks."""
    while (item := await run_in_threadpool(next, items, None)) is not None:
        yield item
