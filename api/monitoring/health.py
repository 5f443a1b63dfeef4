"""Whether the service is alive, can accept jobs, and has workers for them."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Response
from redis import RedisError

from api.access.authentication import KEY_IS_OPTIONAL, OptionalCaller
from api.dependencies import InForceDep, LedgerDep, RedisDep, StoresDep
from api.http.openapi import problems
from api.http.problems import Problem
from shared.queues import TRAINING, Lane
from shared.registry.state import Models
from shared.stores.redis_check import explained
from shared.telemetry.worker_status import alive, trainers_alive

log = logging.getLogger(__name__)

router = APIRouter(tags=["health"])

_SHOWN = 3
"""Categories that a warning names."""


@router.get(
    "/health",
    openapi_extra=KEY_IS_OPTIONAL,
    responses={
        HTTPStatus.SERVICE_UNAVAILABLE: {"description": "Redis cannot be reached.", "content": {"application/json": {}}}
    }
    | problems(HTTPStatus.TOO_MANY_REQUESTS),
)
def get(
    redis: RedisDep,
    ledger: LedgerDep,
    in_force: InForceDep,
    stores: StoresDep,
    caller: OptionalCaller,
    response: Response,
) -> dict[str, Any]:
    """Tell whether the service works: `pass`, `warn` or `fail`.

    `warn`: jobs wait for a worker or a model, a worker cannot serve the champion, or chunks wait because something
    such as the picture store is unreachable, MLflow refuses the courier's account, the model in service answers
    categories that the taxonomy in force lacks, or something that the answering process does beside its requests fails
    again and again, such as indexing decisions because a file of them is damaged. `fail` (503): Redis is unreachable.
    A caller with a key also sees Redis, the workers, the bundles they serve, the trainers and who has access.
    """
    try:
        workers = alive(redis)
        waiting = {lane.value: ledger.ready(lane) for lane in Lane}
        trainers, trainings = trainers_alive(redis), ledger.ready(TRAINING)
        registry = Models(redis).trouble()
        unknown = in_force.now().unknown
    except RedisError as error:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        log.warning("Redis (CATALOG_REDIS_URL) cannot be used: %s", explained(error))
        return {"status": "fail"}
    bundles = sorted({worker.bundle for worker in workers if worker.bundle})
    warnings = [
        f"{worker.name}: {what}" for worker in workers for what in (worker.warning, worker.trouble) if what is not None
    ]
    warnings += [f"model registry: {registry}"] if registry else []
    warnings += [_told(unknown)] if unknown else []
    warnings += [loop.problem for loop in stores.loops if loop.problem is not None]
    status = "pass" if bundles and not warnings else "warn"
    if caller is None:
        return {"status": status}
    return {
        "status": status,
        "access": "keys" if caller.key_id else "loopback only: no API key is configured",
        "redis": "ok",
        "workers": workers,
        "bundles": bundles,
        "warnings": warnings,
        "waiting_chunks": waiting,
        "trainers": trainers,
        "waiting_trainings": trainings,
    }


def _told(unknown: Sequence[str]) -> str:
    shown = ", ".join(map(repr, unknown[:_SHOWN])) + (", …" if len(unknown) > _SHOWN else "")
    return (
        f"taxonomy: the model in service answers {len(unknown):,} categories that the taxonomy in force lacks "
        f"({shown}). No label can name them: put a taxonomy that has them (PUT /v1/taxonomy)."
    )


@router.get("/health/live")
async def get_live() -> dict[str, str]:
    """Tell whether this process answers.

    It checks nothing else, and answers even while every thread is waiting for Redis.
    """
    return {"status": "pass"}


@router.get("/health/ready", responses=problems(HTTPStatus.SERVICE_UNAVAILABLE))
def get_ready(redis: RedisDep) -> dict[str, str]:
    """Tell whether jobs can be accepted: Redis must answer."""
    try:
        redis.ping()
    except RedisError as error:
        detail = "Redis cannot be reached, so no job can be accepted now. Try again in a few seconds."
        headers = {"Retry-After": "5"}
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable", detail, headers=headers) from error
    return {"status": "pass"}
