"""The models there are, which of them serves, and changing that."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from api.access import AdminCaller, AnyCaller, Principal
from api.dependencies import Stores, StoresDep
from api.openapi import problems
from api.problems import Problem
from shared.models import (
    CHAMPION,
    PREVIOUS,
    Answer,
    Change,
    ChangeKind,
    RegistryCopy,
    RegistryState,
    Request,
    answer_key,
)
from shared.pipeline import GateVerdict
from shared.queues import change_model
from shared.workers import alive

router = APIRouter(prefix="/v1/models", tags=["models"])

_WAIT_S = 20
"""For the courier's answer."""
_WHY_LIMIT = 500
_NUMBER = Path(pattern="^[0-9]{1,9}$", description="The registry's number.")

Version = Annotated[str, _NUMBER]


class ModelOut(BaseModel):
    version: str = Field(description="The registry's number, which promotions name.")
    bundle: str = Field(description="What results carry as their model_version.")
    aliases: list[str] = Field(description="champion: it serves; previous: it served before; challenger: the newest.")
    created_at: datetime
    run_id: str | None = Field(description="MLflow's run of the training.")
    figures: dict[str, float] = Field(description="Of its evaluation on the test split.")
    gate: GateVerdict | None = Field(description="How it did against the model that served; null: not compared.")
    workers: int = Field(description="How many serve it at this moment.")


class ModelsOut(BaseModel):
    name: str
    champion: str | None = Field(description="The version that serves; null: each worker's local bundle.")
    previous: str | None = Field(description="What a rollback leads to; null: the local bundle.")
    models: list[ModelOut] = Field(description="The newest 100, and those that an alias names; the newest first.")
    history: list[Change] = Field(description="The last 200 changes of the champion, the newest first.")
    copied_at: datetime | None = Field(description="When MLflow's registry was looked at last; null: never.")


class RollbackIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=_WHY_LIMIT, description="Kept in the history.")


class PromoteIn(RollbackIn):
    force: bool = Field(default=False, description="Promote it although the gate has refused it, or not seen it.")


@router.get("")
def models(stores: StoresDep, caller: AnyCaller) -> ModelsOut:
    """Every version with its figures and the gate's verdict, which one serves, and who has changed that."""
    return _copied(stores)


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
    return await run_in_threadpool(_copied, stores)


def _refused(answer: Answer) -> Problem:
    if answer.refused:
        return Problem(HTTPStatus.CONFLICT, "not-possible", f"Nothing was changed: {answer.problem}.")
    detail = f"The model registry could not be changed: {answer.problem}. Try again once MLflow answers."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "registry-unavailable", detail, headers={"Retry-After": "30"})


def _who(caller: Principal) -> str:
    return f"{caller.tenant}/{caller.key_id}" if caller.key_id else caller.tenant


def _copied(stores: Stores) -> ModelsOut:
    copy = stores.models.copy()
    state = copy.state if copy else RegistryState(name=stores.settings.registered_model)
    serving = [worker.model for worker in alive(stores.redis)]
    return ModelsOut(
        name=state.name,
        champion=state.aliases.get(CHAMPION),
        previous=state.aliases.get(PREVIOUS),
        models=[
            ModelOut(
                version=model.version,
                bundle=model.bundle,
                aliases=sorted(alias for alias, version in state.aliases.items() if version == model.version),
                created_at=model.created_at,
                run_id=model.run_id,
                figures=model.figures,
                gate=model.verdict,
                workers=serving.count(model.bundle),
            )
            for model in state.versions
        ],
        history=list(state.history),
        copied_at=copy.copied_at if copy else None,
    )
