"""The models there are, which of them serves, and changing that."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.concurrency import run_in_threadpool

from api.access.authentication import AdminCaller, AnyCaller
from api.http.openapi import problems
from api.models.schemas import ModelsOut, PromoteIn, RollbackIn
from api.models.served import ServedModelsDep

router = APIRouter(prefix="/v1/models", tags=["models"])

_NUMBER = Path(pattern="^[0-9]{1,9}$", description="The registry's number.")

Version = Annotated[str, _NUMBER]


@router.get("")
def models(served: ServedModelsDep, caller: AnyCaller) -> ModelsOut:
    """Every version with its figures and the gate's verdict, which one serves, and who has changed that."""
    return served.overview()


_CHANGES = problems(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@router.post("/{version}/promote", responses=_CHANGES)
async def promote(
    version: Version, served: ServedModelsDep, caller: AdminCaller, options: PromoteIn | None = None
) -> ModelsOut:
    """Let this version serve: workers load it beside the old one and swap within seconds.

    One that the gate has refused, or has not compared, takes `force`.
    """
    options = options or PromoteIn()
    await served.promote(version, caller, options.reason, force=options.force)
    return await run_in_threadpool(served.overview)


@router.post("/rollback", responses=problems(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT))
async def rollback(served: ServedModelsDep, caller: AdminCaller, options: RollbackIn | None = None) -> ModelsOut:
    """Let the version serve again that served before; a second time undoes it."""
    await served.roll_back(caller, (options or RollbackIn()).reason)
    return await run_in_threadpool(served.overview)
