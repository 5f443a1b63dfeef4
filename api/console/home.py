"""The start page: what runs now, what waits for a person, and how the promise stands."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.concurrency import run_in_threadpool

from api.access.authentication import AnyCaller
from api.console.pages import PageDep
from api.dependencies import JobListDep
from api.jobs.render import job_out
from api.lifecycle.names import NamesDep
from api.monitoring import health
from api.promise.keeping import TenantPromisesDep
from shared.ledger import JobFilter, JobState
from shared.tenants.api_keys import Scope

router = APIRouter()

_SHOWN = 8
_RUNNING = frozenset({JobState.QUEUED, JobState.RUNNING})


@router.get("")
async def show_home(
    page: PageDep,
    caller: AnyCaller,
    job_list: JobListDep,
    promises: TenantPromisesDep,
    names: NamesDep,
    service: Annotated[dict[str, object], Depends(health.get)],
) -> Response:
    if not caller.may(Scope.REVIEW):
        return page.render("home.html", caller, service=service, jobs=None, running=(), promise=None)

    def shown() -> Response:
        newest = job_list.page(caller.tenant, _SHOWN, None, JobFilter()).jobs
        running = job_list.page(caller.tenant, _SHOWN, None, JobFilter(states=_RUNNING)).jobs
        return page.render(
            "home.html",
            caller,
            service=service,
            jobs=[job_out(job, None) for job in newest],
            running=[job_out(job, None) for job in running],
            promise=promises.out(caller.tenant, names.of),
        )

    return await run_in_threadpool(shown)
