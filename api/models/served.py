"""Which models there are and which one serves; changes are left as a ticket for the courier, which knows MLflow."""

from http import HTTPStatus
from typing import Annotated

from celery import Celery
from fastapi.concurrency import run_in_threadpool
from redis import Redis

from api.access.authentication import Principal
from api.dependencies import service
from api.http.notices import Notices
from api.http.problems import Problem
from api.models.render import models_out
from api.models.schemas import ModelsOut
from shared.queues import change_model
from shared.registry.state import ANSWERED, ChangeAnswer, ChangeKind, ChangeRequest, Models
from shared.settings import Settings
from shared.telemetry.worker_status import alive

_WAIT_S = 20
"""How long to wait for the courier's answer."""


class ServedModels:
    def __init__(self, settings: Settings, redis: Redis, queue: Celery) -> None:
        self._settings = settings
        self._redis = redis
        self._queue = queue
        self._models = Models(redis)

    def overview(self, caller: Principal) -> ModelsOut:
        serving = [worker.bundle for worker in alive(self._redis)]
        return models_out(self._models.copy(), self._settings.registered_model, serving, caller)

    async def promote(self, notices: Notices, version: str, caller: Principal, reason: str, *, force: bool) -> None:
        """Make this version the champion.

        Raises:
            Problem: the version is not known, the gate has not passed it and `force` is not set, or the courier could
                not carry the change out.
        """
        await run_in_threadpool(self._check, version, force)
        await self._change(notices, ChangeKind.PROMOTE, version, caller, reason)

    async def roll_back(self, notices: Notices, caller: Principal, reason: str) -> None:
        """Make the version before the champion again; raises `Problem` where the courier could not."""
        await self._change(notices, ChangeKind.ROLLBACK, None, caller, reason)

    def _check(self, version: str, force: bool) -> None:
        copy = self._models.copy()
        known = copy.state.find(version) if copy else None
        if known is None:
            detail = f"The registry has no version {version}: GET /v1/models lists the versions."
            raise Problem(HTTPStatus.NOT_FOUND, "model-not-found", detail)
        if force or (known.verdict is not None and known.verdict.passed):
            return
        if known.verdict is None:
            why = "the gate has not compared it with the model in service"
        else:
            why = f"the gate refused it: {known.verdict.detail.rstrip('.')}"
        detail = f"Version {version} was not promoted, because {why}. Set `force` to promote it nevertheless."
        raise Problem(HTTPStatus.CONFLICT, "gate-not-passed", detail)

    async def _change(
        self, notices: Notices, kind: ChangeKind, version: str | None, caller: Principal, reason: str
    ) -> None:
        """Leave the request for the courier and wait for its answer without holding a thread."""
        request = ChangeRequest(kind=kind, version=version, by=_name(caller), why=reason)
        ticket = await run_in_threadpool(self._models.leave, request, _WAIT_S)
        with notices.awaiting(ANSWERED, ticket) as awaited:
            await run_in_threadpool(change_model, self._queue, ticket)
            await awaited.over(_WAIT_S)
        answer = await run_in_threadpool(self._models.answer_to, ticket)
        if answer is None:
            detail = (
                f"No courier answered within {_WAIT_S} s. GET /v1/models shows whether the champion has changed; if it "
                "has not, send the request again."
            )
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "no-courier", detail, headers={"Retry-After": "10"})
        if answer.state is None:
            raise _not_changed(answer)


ServedModelsDep = Annotated[
    ServedModels,
    service(lambda stores: ServedModels(stores.settings, stores.redis, stores.queue)),
]


def _not_changed(answer: ChangeAnswer) -> Problem:
    if answer.refused:
        return Problem(HTTPStatus.CONFLICT, "not-possible", f"Nothing was changed: {answer.problem}.")
    detail = f"The model registry could not be changed: {answer.problem}. Try again once MLflow answers."
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "registry-unavailable", detail, headers={"Retry-After": "30"})


def _name(caller: Principal) -> str:
    return f"{caller.tenant}/{caller.key_id}" if caller.key_id else caller.tenant
