"""Bulk jobs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from api import ingest, render
from api.dependencies import Stores, StoresDep
from api.openapi import ref
from api.schemas import ItemIn, JobIn, JobOut, ResultOut, ResultsOut
from shared.ledger import Job, Page
from shared.queues import tend_soon

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_PAGE = 1000
_MEDIA_TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv"}

_BODIES = {
    "requestBody": {
        "required": True,
        "content": {
            ingest.JSON: {"schema": ref(JobIn)},
            ingest.NDJSON: {"schema": ref(ItemIn)},
            ingest.CSV: {"schema": {"type": "string", "description": "Columns id, title, description, image (a URL)"}},
            ingest.MULTIPART: {
                "schema": {
                    "type": "object",
                    "required": ["items"],
                    "properties": {
                        "items": {"type": "string", "description": "NDJSON, JSON, or a file whose name ends in .csv"},
                        "images": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "webhook_url": {"type": "string", "format": "uri"},
                    },
                }
            },
        },
    },
    "parameters": [
        {"name": "webhook_url", "in": "query", "required": False, "schema": {"type": "string", "format": "uri"}}
    ],
}


@router.post("", status_code=HTTPStatus.ACCEPTED, openapi_extra=_BODIES)
async def submit(request: Request, response: Response, stores: StoresDep) -> JobOut:
    """Send items in bulk; all of them are accepted or none."""
    job = await stores.submissions.accept(await ingest.read(request, stores.settings))
    return _answer(job, response, location=True)


@router.get("/{job_id}")
def status(job_id: str, response: Response, stores: StoresDep) -> JobOut:
    """State, counts, progress and an estimate."""
    return _answer(stores.ledger.job(job_id), response)


@router.post("/{job_id}/cancel")
def cancel(job_id: str, response: Response, stores: StoresDep) -> JobOut:
    """End the job now; what was classified stays readable. A job that has ended stays as it is."""
    job = stores.ledger.cancel(job_id)
    tend_soon(stores.queue)
    return _answer(job, response)


@router.get("/{job_id}/results", response_model=ResultsOut)
def results(
    job_id: str,
    stores: StoresDep,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Items per JSON page")] = _PAGE,
    output: Annotated[Literal["json", "ndjson", "csv"], Query(alias="format")] = "json",
) -> Any:
    """Results so far, also while the job runs: JSON in pages, NDJSON and CSV with everything behind the cursor."""
    state = stores.ledger.job(job_id).state
    page = stores.ledger.results(job_id, cursor, limit if output == "json" else _PAGE)
    if output == "json":
        return ResultsOut(
            job_id=job_id,
            state=state,
            results=_rendered(page),
            next_cursor=page.cursor,
            complete=page.complete,
        )
    write = render.ndjson if output == "ndjson" else render.csv_table
    return StreamingResponse(write(_pages(stores, job_id, page)), media_type=_MEDIA_TYPES[output])


def _pages(stores: Stores, job_id: str, page: Page) -> Iterator[list[ResultOut]]:
    """The page, and everything that is committed behind it."""
    yield _rendered(page)
    while len(page.outcomes) == _PAGE:
        page = stores.ledger.results(job_id, page.cursor, _PAGE)
        yield _rendered(page)


def _rendered(page: Page) -> list[ResultOut]:
    return [render.result_out(model, outcome) for model, outcome in page.outcomes]


def _answer(job: Job, response: Response, *, location: bool = False) -> JobOut:
    now = datetime.now(UTC)
    out = render.job_out(job, now)
    if location:
        response.headers["Location"] = out.url
    if not job.ended:
        response.headers["Retry-After"] = render.retry_after(out, now)
    return out
