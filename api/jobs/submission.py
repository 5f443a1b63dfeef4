"""Accept a job: all of it or nothing."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from celery import Celery
from fastapi.concurrency import run_in_threadpool
from pydantic import HttpUrl, ValidationError
from redis import Redis

from api.dependencies import service
from api.http.problems import Problem, invalid_request
from api.ingest import Intake
from api.items.validation import check_valid
from api.jobs.draft import Draft
from api.jobs.schemas import JobOptions
from api.opening import check_deadline, check_webhook, open_job
from shared.ledger import (
    Claim,
    ItemStatus,
    Job,
    Ledger,
    NewJob,
    QueuedItem,
    Results,
)
from shared.queues import Lane, wake
from shared.settings import Settings
from shared.stores.blobs import Blobs
from shared.tenants.webhook_secrets import signing_secrets

_PASSING_S = 3600
_LONGEST_WAIT_S = 300


class JobSubmissions:
    def __init__(self, settings: Settings, redis: Redis, blobs: Blobs, queue: Celery) -> None:
        signing_secrets(settings.webhook_secrets, "")  # a malformed one is told at the start, not by the first webhook
        self._settings = settings
        self._ledger = Ledger(redis)
        self._results = Results(redis)
        self._blobs = blobs
        self._queue = queue

    async def accept(self, intake: Intake, tenant: str, claim: Claim | None = None, *, passing: bool = False) -> Job:
        """Check and keep every item, then open the job.

        Args:
            claim: The request's idempotency key; it leads to the job from now on.
            passing: The answer is awaited in this very request: kept for an hour, and no run of its own in MLflow.

        Raises:
            Problem: an item is wrong (each is named) and none may be skipped; there is none, or there are too many; an
                option is wrong; too many items wait already.
            OSError: the pictures cannot be kept.
        """
        self._options(intake.options)  # of the query: a long body need not be read for this
        async with Draft(self._settings, self._ledger, self._blobs, intake.pictures) as draft:
            async for raw in intake.items:
                await draft.add(raw)
                if draft.total == self._settings.interactive_items + 1:
                    await run_in_threadpool(self._refuse_if_full, Lane.BULK)
            options = self._options(intake.options)
            check_valid(draft.total, draft.invalid, options.on_invalid, "items")
            await draft.finish()
        new = self._new(draft, tenant, options, passing)
        return await run_in_threadpool(self._open, draft, new, claim, intake.fingerprint() if claim else "")

    async def retry(self, parent: Job, statuses: frozenset[ItemStatus], claim: Claim | None, fingerprint: str) -> Job:
        """A job with those items of an ended one that have one of the statuses.

        Raises:
            Problem: the job has not ended, or no item of it is to be done again.
        """
        if not parent.ended:
            raise Problem(
                HTTPStatus.CONFLICT, "job-not-ended", f"The job is {parent.state}: wait for its end, or cancel it."
            )
        async with Draft(self._settings, self._ledger, self._blobs) as draft:
            async for item in _in_threads(self._results.retryable(parent, statuses)):
                await draft.again(item)
            if not draft.total:
                wanted = ", ".join(sorted(statuses))
                raise Problem(HTTPStatus.CONFLICT, "nothing-to-retry", f"The job has no items that are {wanted}.")
            await draft.finish()
        options = JobOptions(webhook_url=HttpUrl(parent.webhook_url) if parent.webhook_url else None)
        new = replace(self._new(draft, parent.tenant, options, passing=False), parent=parent.id)
        return await run_in_threadpool(self._open, draft, new, claim, fingerprint)

    def _new(self, draft: Draft, tenant: str, options: JobOptions, passing: bool) -> NewJob:
        settings = self._settings
        return NewJob(
            tenant=tenant,
            lane=Lane.INTERACTIVE if draft.total <= settings.interactive_items else Lane.BULK,
            total=draft.total,
            invalid=len(draft.invalid),
            chunks=draft.chunks,
            deadline_s=_PASSING_S if passing else options.deadline_s or settings.max_deadline_s,
            error_budget=options.error_budget,
            max_queued=settings.max_queued_items,
            keep_s=_PASSING_S if passing else settings.keep_results_s,
            keep_record_s=0 if passing else settings.keep_jobs_s,
            webhook_url=None if options.webhook_url is None else str(options.webhook_url),
            tracked=not passing,
            keep_inputs=settings.keep_inputs,
        )

    def _open(self, draft: Draft, new: NewJob, claim: Claim | None, fingerprint: str) -> Job:
        lane = Lane(new.lane)
        open_job(
            self._ledger,
            self._settings,
            draft.id,
            new,
            url=f"/v1/jobs/{draft.id}",
            wake=lambda: wake(self._queue, lane, min(draft.chunks, self._settings.bulk_slots)),
            full=lambda: self._full(lane),
            claim=claim,
            fingerprint=fingerprint,
        )
        return self._ledger.job(draft.id)

    def _refuse_if_full(self, lane: Lane) -> None:
        if self._ledger.pending(lane) >= self._settings.max_queued_items:
            raise self._full(lane)

    def _full(self, lane: str) -> Problem:
        """When to come again: once a tenth of the queue is done, at the rate of the last minute."""
        rate = self._ledger.rate(lane)
        wait_s = self._settings.max_queued_items / 10 / rate if rate else _LONGEST_WAIT_S
        detail = (
            f"{self._ledger.pending(lane):,} items wait already, of {self._settings.max_queued_items:,} that may. "
            "Nothing of this request was accepted, and nothing of what waits is affected: send it again later."
        )
        headers = {"Retry-After": str(round(min(max(wait_s, 1), _LONGEST_WAIT_S)))}
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "queue-full", detail, headers=headers)

    def _options(self, given: dict[str, Any]) -> JobOptions:
        try:
            options = JobOptions.model_validate({name: value for name, value in given.items() if value != ""})
        except ValidationError as error:
            if {entry["loc"][:1] for entry in error.errors()} == {("webhook_url",)}:
                detail = f"webhook_url is no http(s) URL: {given['webhook_url']!r}."
                raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-webhook-url", detail) from None
            raise invalid_request(error.errors()) from None
        if options.webhook_url is not None:
            check_webhook(str(options.webhook_url), self._settings)
        if options.deadline_s is not None:
            check_deadline(options.deadline_s, self._settings)
        return options


JobSubmissionsDep = Annotated[
    JobSubmissions,
    service(lambda stores: JobSubmissions(stores.settings, stores.redis, stores.blobs, stores.queue)),
]


async def _in_threads(items: Iterator[QueuedItem]) -> AsyncIterator[QueuedItem]:
    """An iterator that blocks, read in threads."""
    while (item := await run_in_threadpool(next, items, None)) is not None:
        yield item
