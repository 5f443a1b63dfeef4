"""The models there are, which of them serves, and changing that."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.concurrency import run_in_threadpool

from api.access.authentication import AdminCaller, AnyCaller
from api.http.notices import NoticesDep
from api.http.openapi import SMALL_BODY, problems, small_body
from api.http.small_bodies import small_model
from api.models.schemas import ModelsOut, PromoteIn, RollbackIn
from api.models.served import ServedModelsDep

router = APIRouter(prefix="/v1/models", tags=["models"])

_NUMBER = Path(pattern="^[0-9]{1,9}$", description="The version's number in the model registry.")

Version = Annotated[str, _NUMBER]


@router.get("")
def list_(served: ServedModelsDep, caller: AnyCaller) -> ModelsOut:
    """List the models with their figures and verdicts, the one that serves, and who chose it.

    Who chose it is shown for your own tenant's changes, and for all with the scope admin or observe.
    """
    return served.overview(caller)


_CHANGES = SMALL_BODY | problems(HTTPStatus.CONFLICT)


@router.post(
    "/{version}/promote",
    openapi_extra=small_body(PromoteIn, required=False),
    responses=_CHANGES | problems(HTTPStatus.NOT_FOUND),
)
async def promote(
    request: Request, version: Version, served: ServedModelsDep, notices: NoticesDep, caller: AdminCaller
) -> ModelsOut:
    """Make a version the champion, the model that serves.

    Workers load it beside the old model and swap within seconds. A version that the gate has refused or has not judged
    needs `force`.
    """
    options = await small_model(request, PromoteIn, optional=True)
    await served.promote(notices, version, caller, options.reason, force=options.force)
    return await run_in_threadpool(served.overview, caller)


@router.post("/rollback", openapi_extra=small_body(RollbackIn, required=False), responses=_CHANGES)
async def roll_back(request: Request, served: ServedModelsDep, notices: NoticesDep, caller: AdminCaller) -> ModelsOut:
    """Make the previous champion the champion again.

    A second rollback undoes the first.
    """
    options = await small_model(request, RollbackIn, optional=True)
    await served.roll_back(notices, caller, options.reason)
    return await run_in_threadpool(served.overview, caller)
