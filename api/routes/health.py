"""Whether the service lives, can take work, and has somebody to do it."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Response
from redis import RedisError

from api.dependencies import StoresDep
from api.problems import Problem
from shared.queues import Lane
from shared.workers import alive

router = APIRouter(tags=["health"])


@router.get("/health")
def health(stores: StoresDep, response: Response) -> dict[str, Any]:
    """Redis, workers and the model they serve. `pass`; `warn` where jobs wait for a worker or a model; `fail` (503)."""
    try:
        workers = alive(stores.redis)
        waiting = {lane.value: stores.ledger.ready(lane) for lane in Lane}
    except RedisError as error:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        return {"status": "fail", "redis": str(error), "workers": [], "models": []}
    models = sorted({worker.model for worker in workers if worker.model})
    return {
        "status": "pass" if models else "warn",
        "redis": "ok",
        "workers": workers,
        "models": models,
        "waiting_chunks": waiting,
    }


@router.get("/health/live")
def live() -> dict[str, str]:
    """The process answers; touches nothing else."""
    return {"status": "pass"}


@router.get("/health/ready")
def ready(stores: StoresDep) -> dict[str, str]:
    """Jobs can be accepted: Redis answers."""
    try:
        stores.redis.ping()
    except RedisError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable", f"Redis: {error}") from error
    return {"status": "pass"}
