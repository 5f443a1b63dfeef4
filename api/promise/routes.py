"""The promise of precise answers: how it stands, and from which confidence on answers are accepted."""

from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.access.authentication import AdminCaller, ReviewCaller
from api.http.languages import VARY
from api.http.openapi import SMALL_BODY, problems, small_body
from api.http.small_bodies import small_model
from api.lifecycle.names import NamesDep
from api.promise.keeping import TenantPromisesDep
from api.promise.schemas import PromiseOut, ThresholdIn

router = APIRouter(prefix="/v1/promise", tags=["promise"])


@router.get("")
def get(promises: TenantPromisesDep, names: NamesDep, caller: ReviewCaller, response: Response) -> PromiseOut:
    """See how precise your accepted answers are, and from which confidence on they are accepted.

    A random share of them is looked at by people, who are not told which. The bounds hold however often one looks.
    """
    response.headers.update(VARY)
    return promises.out(caller.tenant, names.of)


@router.put("", openapi_extra=small_body(ThresholdIn), responses=SMALL_BODY | problems(HTTPStatus.CONFLICT))
async def put(
    request: Request, promises: TenantPromisesDep, names: NamesDep, caller: AdminCaller, response: Response
) -> PromiseOut:
    """Pin the threshold from which on your answers are accepted, or let the service move it again.

    Workers follow with the next chunk. The move is recorded, with its reason.
    """
    wanted = await small_model(request, ThresholdIn)
    response.headers.update(VARY)
    return await run_in_threadpool(promises.pin, caller, wanted, names.of)
