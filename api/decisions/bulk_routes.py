"""Decisions about all items of a filter."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.access.authentication import DecideCaller, ReviewCaller
from api.decisions.bulk import BulkDep, bulk_out
from api.decisions.bulk_schemas import BulkIn, BulkOut
from api.http.languages import VARY
from api.http.openapi import SMALL_BODY, problems, small_body
from api.http.small_bodies import small_model
from api.lifecycle.names import NamesDep

router = APIRouter(prefix="/v1/decisions/bulk", tags=["decisions"])

_BulkId = Annotated[str, Path(max_length=64, description="The bulk decision's `id`.")]


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=small_body(BulkIn),
    responses=SMALL_BODY | problems(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE),
)
async def decide_bulk(
    request: Request, response: Response, bulk: BulkDep, names: NamesDep, caller: DecideCaller
) -> BulkOut:
    """Decide the same about all items of a filter about which nobody has decided.

    The job must have ended. It is carried out in the background. If it is sent twice, the second one finds nothing left
    to decide.
    """
    asked = await small_model(request, BulkIn)
    response.headers.update(VARY)
    out = await bulk.begin(asked, caller.tenant, caller.person, names)
    response.headers["Location"] = out.url
    return out


@router.get("/{bulk_id}", responses=problems(HTTPStatus.NOT_FOUND))
async def read_bulk(
    bulk_id: _BulkId, response: Response, bulk: BulkDep, names: NamesDep, caller: ReviewCaller
) -> BulkOut:
    """Read how far a decision about all items of a filter has got."""
    response.headers.update(VARY)
    return bulk_out(await run_in_threadpool(bulk.find, bulk_id, caller.tenant), names)


@router.post(
    "/{bulk_id}/undo",
    status_code=HTTPStatus.ACCEPTED,
    responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def undo_bulk(
    bulk_id: _BulkId, response: Response, bulk: BulkDep, names: NamesDep, caller: DecideCaller
) -> BulkOut:
    """Take a decision about all items of a filter back as one.

    It is taken back in the background. What somebody has decided since stays. Once it is taken back, or while it is
    being so, this changes nothing.
    """
    response.headers.update(VARY)
    return bulk_out(await run_in_threadpool(bulk.undo, bulk_id, caller.tenant), names)
