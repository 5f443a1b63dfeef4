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

_NUMBER = Path(pattern="^[0-9]{1,9}$", description="The version's number in the model registry.")

Version = Annotated[str, _NUMBER]


@router.get("")
def list_(served: ServedModelsDep, caller: AnyCaller) -> ModelsOut:
    """List the models with their figures and verdicts, the one that serves, and who chose it.

    Who chose it is shown for your own tenant's changes, and for all with the scope admin or observe.
    """
    return served.overview(caller)


_CHANGES = problems(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@router.post("/{version}/promote", responses=_CHANGES)
async def promote(
    version: Version, served: ServedModelsDep, caller: AdminCaller, options: PromoteIn | None = None
) -> ModelsOut:
    """Make a version the champion, the model that serves.

    Workers load it beside the old model and swap within seconds. A version that the gate has refused or has not judged
    needs `force`.
    """
    options = options or PromoteIn()
    await served.promote(version, caller, options.reason, force=options.force)
    return await run_in_threadpool(served.overview, caller)


@router.post("/rollback", responses=problems(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT))
async def roll_back(served: ServedModelsDep, caller: AdminCaller, options: RollbackIn | None = None) -> ModelsOut:
    """Make the previous champion the champion again.

    A second rollback undoes the first.
    """
    await served.roll_back(caller, (options or RollbackIn()).reason)
    return await run_in_threadpool(served.overview, caller)
