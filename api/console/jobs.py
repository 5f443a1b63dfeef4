"""The list of jobs, and the page of one: its progress, its items, and what can be done about it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.concurrency import run_in_threadpool

from api.access.authentication import ClassifyCaller, ReviewCaller
from api.access.ownership import JobToReadDep
from api.console.categories_list import CategoryChoicesDep
from api.console.pages import PageDep
from api.dependencies import LedgerDep
from api.jobs import deliveries, items
from api.jobs import routes as jobs
from api.jobs.schemas import ItemsOut, JobOut, JobsOut
from shared.ledger import ItemStatus, JobState

router = APIRouter()


@router.get("/jobs")
def list_jobs(page: PageDep, caller: ReviewCaller, found: Annotated[JobsOut, Depends(jobs.list_)]) -> Response:
    query = page.request.query_params
    return page.render(
        "jobs.html",
        caller,
        found=found,
        states=list(JobState),
        state=query.getlist("state"),
        q=query.get("q", ""),
        asked=query,
    )


@router.get("/jobs/{job_id}")
async def show_job(
    page: PageDep,
    caller: ReviewCaller,
    job: JobToReadDep,
    ledger: LedgerDep,
    choices: CategoryChoicesDep,
    found: Annotated[ItemsOut, Depends(items.list_items)],
    as_pictures: bool = False,
) -> Response:
    out = await run_in_threadpool(jobs.job_now, job, ledger)
    return page.render(
        "job.html",
        caller,
        job=out,
        found=found,
        choices=choices,
        statuses=list(ItemStatus),
        asked=page.request.query_params,
        as_pictures=as_pictures,
    )


@router.get("/jobs/{job_id}/deliveries")
def show_deliveries(
    page: PageDep,
    caller: ClassifyCaller,
    job: JobToReadDep,
    ledger: LedgerDep,
    found: Annotated[deliveries.DeliveriesOut, Depends(deliveries.list_deliveries)],
) -> Response:
    return page.render("deliveries.html", caller, job=jobs.job_now(job, ledger), found=found)


@router.post("/jobs/{job_id}/deliveries")
def redeliver(
    page: PageDep, job: JobToReadDep, _: Annotated[deliveries.DeliveriesOut, Depends(deliveries.redeliver)]
) -> Response:
    return page.redirect(f"/console/jobs/{job.id}/deliveries")


@router.post("/jobs/{job_id}/cancel")
def cancel(page: PageDep, done: Annotated[JobOut, Depends(jobs.cancel)]) -> Response:
    return page.redirect(f"/console/jobs/{done.id}")


@router.post("/jobs/{job_id}/retry")
def retry(page: PageDep, started: Annotated[JobOut, Depends(jobs.retry)]) -> Response:
    return page.redirect(f"/console/jobs/{started.id}")
