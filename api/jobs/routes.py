"""Bulk jobs."""

from collections.abc import AsyncIterator, Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.access.authentication import ClassifyCaller, ReviewCaller
from api.access.ownership import JobDep, JobToReadDep
from api.dependencies import DecidedItemsDep, JobListDep, LedgerDep, QueueDep, ResultsDep, SentItemsDep
from api.http.held_requests import HoldDep
from api.http.idempotency import Attempt, IdempotentDep
from api.http.languages import VARY
from api.http.long_poll import LongPollDep
from api.http.notices import NoticesDep
from api.http.openapi import ACCEPTED, UPLOADS, problems
from api.http.problems import results_expired
from api.http.server_sent_events import StreamsDep, View
from api.ingest import UploadDep
from api.jobs import render
from api.jobs.bodies import JOB_BODIES
from api.jobs.exports import ExportsDep
from api.jobs.files import FORMATS
from api.jobs.filters import JobFilterDep
from api.jobs.listing import ITEMS
from api.jobs.schemas import JobOut, JobsOut, ResultsOut
from api.jobs.submission import JobSubmissionsDep
from api.lifecycle.names import Names, NamesDep
from shared.ledger import (
    Decided,
    DecidedItems,
    ItemStatus,
    Job,
    JobList,
    Ledger,
    Outcome,
    Page,
    Results,
    Sent,
    SentItems,
)
from shared.queues import reconcile_soon

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_PAGE = 1000


@dataclass(frozen=True)
class _Belongings:
    """What results give back beside the outcomes."""

    sent: SentItems
    decided: DecidedItems

    def beside(self, job: Job, page: Page) -> list[tuple[str, Outcome, Sent, Decided | None]]:
        decided = self.decided.of(job, [outcome.index for _, outcome in page.outcomes])
        return [
            (bundle, outcome, sent, decided.get(outcome.index))
            for (bundle, outcome), sent in zip(page.outcomes, self.sent.of(job, page), strict=True)
        ]


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=JOB_BODIES,
    responses=ACCEPTED | UPLOADS,
)
async def submit(
    upload: UploadDep,
    response: Response,
    submissions: JobSubmissionsDep,
    idempotent: IdempotentDep,
    caller: ClassifyCaller,
) -> JobOut:
    """Send items in bulk to be classified.

    Either the whole request is accepted or none of it; `on_invalid=skip` leaves invalid items out.
    """
    async with idempotent.attempt(caller.tenant, "submit") as attempt:
        if attempt.answered:
            job = await submissions.replay(attempt.answered, await upload.drain(ITEMS))
        else:
            accept = partial(submissions.accept, tenant=caller.tenant, claim=attempt.claim)
            job = await upload.read(ITEMS, accept)
    return _accepted(job, response, attempt)


@router.get("", responses=problems(HTTPStatus.BAD_REQUEST))
def list_(
    job_list: JobListDep,
    caller: ReviewCaller,
    wanted: JobFilterDep,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the previous page.")] = None,
    limit: Annotated[
        int, Query(ge=1, le=JobList.LONGEST_PAGE, description="The largest number of jobs on a page.")
    ] = 20,
) -> JobsOut:
    """List your jobs, the newest first.

    The filters can be combined. Trainings have a list of their own, and single predictions are in none. A page may have
    fewer jobs than `limit` although more follow; `next_cursor` is null on the last page.
    """
    page = job_list.page(caller.tenant, limit, cursor, wanted)
    return JobsOut(jobs=[render.job_out(job, None) for job in page.jobs], next_cursor=page.cursor)


@router.post(
    "/{job_id}/retry",
    status_code=HTTPStatus.ACCEPTED,
    responses=ACCEPTED | problems(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE),
)
async def retry(
    parent: JobDep,
    response: Response,
    submissions: JobSubmissionsDep,
    idempotent: IdempotentDep,
    status: Annotated[
        list[Literal["failed", "expired", "cancelled"]] | None,
        Query(
            description="The statuses of the items to classify again; `failed` and `expired` by default. Items are "
            "`cancelled` and still kept only if the job failed; a job that a client cancelled keeps none."
        ),
    ] = None,
) -> JobOut:
    """Classify items of an ended job again: those that failed or expired, unless `status` names others.

    They become a new job, whose `parent` is this one.
    """
    statuses = frozenset(ItemStatus(name) for name in status or ("failed", "expired"))
    fingerprint = ",".join(sorted(statuses))
    async with idempotent.attempt(parent.tenant, f"retry {parent.id}") as attempt:
        if attempt.answered:
            job = await submissions.replay(attempt.answered, fingerprint)
        else:
            _refuse_gone(parent)
            job = await submissions.retry(parent, statuses, attempt.claim, fingerprint)
    return _accepted(job, response, attempt)


@router.get("/{job_id}", responses=problems(HTTPStatus.NOT_FOUND))
async def get(
    job: JobToReadDep,
    response: Response,
    ledger: LedgerDep,
    long_poll: LongPollDep,
) -> JobOut:
    """Read a job's state, counts, progress, place in the queue and estimated end."""
    if await long_poll.waited(job):
        job = await run_in_threadpool(ledger.job, job.id)
    return await run_in_threadpool(_answer, job, response, ledger)


@router.post("/{job_id}/cancel", responses=problems(HTTPStatus.NOT_FOUND))
def cancel(job: JobDep, response: Response, ledger: LedgerDep, queue: QueueDep) -> JobOut:
    """End a job now.

    Its results so far can still be read. A job that has already ended does not change.
    """
    job = ledger.cancel(job.id)
    reconcile_soon(queue)
    return _answer(job, response, ledger)


@router.get("/{job_id}/events", response_class=EventSourceResponse, responses=problems(HTTPStatus.NOT_FOUND))
async def stream_events(
    job: JobToReadDep, ledger: LedgerDep, streams: StreamsDep, notices: NoticesDep, _: HoldDep
) -> AsyncIterator[ServerSentEvent]:
    """Follow a job as server-sent events.

    Each time the job has changed, an event `progress` shows its state; an event `end` comes last and closes the stream.
    """

    def render(job: Job) -> ServerSentEvent:
        return ServerSentEvent(data=job_now(job, ledger), id=str(job.done))

    view = View(lambda: ledger.job(job.id), _moment, render)
    async for event in streams.follow(notices, job.id, view):
        yield event


@router.get(
    "/{job_id}/results",
    response_model=ResultsOut,
    responses={HTTPStatus.OK: {"content": {form.media_type: {} for form in FORMATS.values()}}}
    | problems(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE),
)
async def list_results(
    job: JobToReadDep,
    records: ResultsDep,
    sent: SentItemsDep,
    decided: DecidedItemsDep,
    exports: ExportsDep,
    names: NamesDep,
    cursor: Annotated[str | None, Query(description="The `next_cursor` of the previous page.")] = None,
    limit: Annotated[
        int, Query(ge=1, le=10_000, description="The largest number of results on a page of JSON.")
    ] = _PAGE,
    status: Annotated[ItemStatus | None, Query(description="Return only items that ended with this status.")] = None,
    output: Annotated[
        Literal["json", "ndjson", "csv", "csv-raw", "parquet"],
        Query(
            alias="format",
            description="The format of the answer. In `csv`, a text that a spreadsheet would take for a formula has an "
            "apostrophe before it; `csv-raw` leaves every text as it is.",
        ),
    ] = "json",
) -> Response:
    """Read a job's results so far, also while it runs.

    JSON has one page of the results; NDJSON, CSV and Parquet have all results that there are so far. While the job
    runs, a page may be empty although more results will follow: `complete` is true on the last page. With `status`, a
    page may have fewer results than `limit` although more follow on the next page.
    """
    _refuse_gone(job)
    if output == "json":
        content = await run_in_threadpool(_page, job, records, _Belongings(sent, decided), names, cursor, limit, status)
        return Response(content, headers=VARY, media_type="application/json")
    form = FORMATS[output]
    headers = {**VARY, "Content-Disposition": f'attachment; filename="{job.id}.{form.suffix}"'}

    def parts() -> Iterator[bytes]:
        belongings = _Belongings(sent, decided)
        pages = (belongings.beside(job, page) for page in records.pages(job, cursor, _PAGE, status))
        return form.write(pages, names.in_results, sent.columns(job))

    if job.total <= _PAGE:
        small = await run_in_threadpool(lambda: b"".join(parts()))
        return Response(small, media_type=form.media_type, headers=headers)
    file = await exports.file((job.id, job.state, job.done, job.decisions, output, cursor, status, names.key), parts)
    headers["Content-Length"] = str(file.size)
    return StreamingResponse(file.parts(), media_type=form.media_type, headers=headers)


def _page(
    job: Job,
    records: Results,
    belongings: _Belongings,
    names: Names,
    cursor: str | None,
    limit: int,
    status: ItemStatus | None,
) -> str:
    """A page of results as JSON, made in a thread: 10,000 of them would hold the event loop for a while."""
    page = records.page(job, cursor, limit, status)
    results = [
        render.result_out(bundle, outcome, names.in_results(bundle), sent, decided)
        for bundle, outcome, sent, decided in belongings.beside(job, page)
    ]
    out = ResultsOut(job_id=job.id, state=job.state, results=results, next_cursor=page.cursor, complete=page.complete)
    return out.model_dump_json()


def _refuse_gone(job: Job) -> None:
    if job.results_gone:
        raise results_expired(job.id)


def _moment(job: Job) -> tuple[Hashable, bool]:
    return (job.state, job.done), job.ended


def job_now(job: Job, ledger: Ledger) -> JobOut:
    """Return the job as it was read, with its place in the queue as it is now."""
    return render.job_out(job, None if job.ended else ledger.lane_status(job))


def _answer(job: Job, response: Response, ledger: Ledger) -> JobOut:
    out = job_now(job, ledger)
    if not job.ended:
        response.headers["Retry-After"] = render.retry_after(out, job.read_at)
    return out


def _accepted(job: Job, response: Response, attempt: Attempt) -> JobOut:
    """The answer, byte for byte the same to every request with the same key."""
    out = render.job_out(job.as_accepted(), None)
    response.headers["Location"] = out.url
    response.headers["Retry-After"] = "1"
    attempt.mark(response)
    return out
