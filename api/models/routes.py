"""The models there are, which of them serves, and changing that."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.concurrency import run_in_threadpool

from api.access.authentication import AdminCaller, AnyCaller, Principal
from api.dependencies import Stores, StoresDep
from api.http.openapi import problems
from api.http.problems import Problem
from api.models.render import models_out
from api.models.schemas import ModelsOut, PromoteIn, RollbackIn
from shared.queues import change_model
from shared.registry.state import (
    Answer,
    ChangeKind,
    RegistryCopy,
    Request,
    answer_key,
)

router = APIRouter(prefix="/v1/models", tags=["models"])

_WAIT_S = 20
"""For the courier's answer."""
_NUMBER = Path(pattern="^[0-9]{1,9}$", description="The registry's number.")

Version = Annotated[str, _NUMBER]


@router.get("")
def models(stores: StoresDep, caller: AnyCaller) -> ModelsOut:
    """Every version with its figures and the gate's verdict, which one serves, and who has changed that."""
    return models_out(stores)


_CHANGES = problems(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@router.post("/{version}/promote", responses=_CHANGES)
async def promote(
    version: Version, stores: StoresDep, caller: AdminCaller, given: PromoteIn | None = None
) -> ModelsOut:
    """Let this version serve: workers load it beside the old one and swap within seconds.

    One that the gate has refused, or has not compared, takes `force`.
    """
    given = given or PromoteIn()
    _check(version, await run_in_threadpool(stores.models.copy), force=given.force)
    return await _changed(stores, caller, ChangeKind.PROMOTE, version, given)


@router.post("/rollback", responses=problems(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT))
async def rollback(stores: StoresDep, caller: AdminCaller, given: RollbackIn | None = None) -> ModelsOut:
    """Let the version serve again that served before; a second time undoes it."""
    return await _changed(stores, caller, ChangeKind.ROLLBACK, None, given or RollbackIn())


def _check(version: str, copy: RegistryCopy | None, *, force: bool) -> None:
    """Raises `Problem`: 404 where the version is not known, 409 where the gate has not passed it."""
    found = copy.state.find(version) if copy else None
    if found is None:
        detail = f"The registry has no version {version}: GET /v1/models lists them."
        raise Problem(HTTPStatus.NOT_FOUND, "model-not-found", detail)
    if not force and (found.verdict is None or not found.verdict.passed):
        why = "has not been compared with the model in service" if found.verdict is None else found.verdict.detail
        detail = (
            f"Version {version} is not promoted, the gate did not pass it: {why.rstrip('.')}. `force` overrides it."
        )
        raise Problem(HTTPStatus.CONFLICT, "gate-not-passed", detail)


async def _changed(
    stores: Stores, caller: Principal, kind: ChangeKind, version: str | None, given: RollbackIn
) -> ModelsOut:
    """Ask the courier, who knows MLflow, and wait for the answer without holding a thread."""
    request = Request(kind=kind, version=version, by=_who(caller), why=given.reason)
    ticket = await run_in_threadpool(stores.models.leave, request, _WAIT_S)
    await run_in_threadpool(change_model, stores.queue, ticket)
    packed = await stores.waiting.blpop([answer_key(ticket)], timeout=_WAIT_S)
    if packed is None:
        detail = "No courier has answered in time. GET /v1/models says whether it has happened; if not, try again."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "no-courier", detail, headers={"Retry-After": "10"})
    answer = Answer.model_validate_json(packed[1])
    if answer.state is None:
        raise _refused(answer)
    return await run_in_threadpool(models_out, stores)


def _refused(answer: Answer) -> Problem:
    if answer.refused:
        return Problem(HTTPStatus.CONFLICT, "not-possible", f"Nothing was changed: {answer.problem}.")
    detail = f"The model registry could not be changed: {answer.problem}. Try again once MLflow answers."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "registry-unavailable", detail, headers={"Retry-After": "30"})


def _who(caller: Principal) -> str:
    return f"{caller.tenant}/{caller.key_id}" if caller.key_id else caller.tenant
