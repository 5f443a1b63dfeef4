"""Trainings: from labels to a better model in service."""

from collections.abc import AsyncIterator, Hashable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.access.authentication import TrainCaller
from api.access.ownership import TrainingDep
from api.dependencies import LONGEST_WAIT_S, Stores, StoresDep
from api.http import idempotency
from api.http.idempotency import IdempotencyKey
from api.http.long_poll import ended_within
from api.http.openapi import ACCEPTED, problems
from api.http.server_sent_events import follow
from api.trainings.render import training_out
from api.trainings.schemas import TrainingIn, TrainingOut, TrainingsOut
from shared.ledger import JobState, Training
from shared.queues import tend_soon

router = APIRouter(prefix="/v1/trainings", tags=["trainings"])

_RETRY_AFTER = "5"


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    responses=ACCEPTED | problems(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT),
)
async def submit(
    asked: TrainingIn, response: Response, stores: StoresDep, caller: TrainCaller, key: IdempotencyKey = None
) -> TrainingOut:
    """Ask for a training; it runs when its turn has come, and its model is held against the one in service."""
    async with idempotency.attempt(stores, caller.tenant, "train", key) as attempt:
        if attempt.answered:
            job = await idempotency.replay(stores, attempt.answered, idempotency.known(asked.fingerprint()))
            training = await run_in_threadpool(stores.trainings.of, job)
        else:
            accept = stores.training_requests.accept
            training = await run_in_threadpool(accept, asked, caller.tenant, caller.scopes, attempt.claim)
    out = training_out(training.as_accepted(), None, {})
    response.headers["Location"] = out.url
    response.headers["Retry-After"] = _RETRY_AFTER
    if attempt.answered:
        response.headers[idempotency.REPLAYED] = "true"
    return out


@router.get("")
def listing(stores: StoresDep, caller: TrainCaller, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> TrainingsOut:
    """Your trainings, the newest first."""
    return TrainingsOut(
        trainings=[_out(training, stores) for training in stores.trainings.newest(caller.tenant, limit)]
    )


@router.get("/{training_id}", responses=problems(HTTPStatus.NOT_FOUND))
async def status(
    training: TrainingDep,
    response: Response,
    stores: StoresDep,
    wait: Annotated[
        float, Query(ge=0, le=LONGEST_WAIT_S, description="Seconds to wait for the training's end before answering")
    ] = 0,
) -> TrainingOut:
    """State, stages, progress, an estimate, and once it has ended the gate's verdict and the model."""
    if wait and not training.job.ended:
        await ended_within(stores, training.job, wait)
        training = await run_in_threadpool(stores.trainings.training, training.job.id)
    return await run_in_threadpool(_answer, training, response, stores)


@router.post("/{training_id}/cancel", responses=problems(HTTPStatus.NOT_FOUND))
def cancel(training: TrainingDep, response: Response, stores: StoresDep) -> TrainingOut:
    """End the training now, with all its processes; one that has ended stays as it is."""
    job = stores.ledger.cancel(training.job.id)
    tend_soon(stores.queue)
    return _answer(stores.trainings.of(job), response, stores)


@router.get("/{training_id}/events", response_class=EventSourceResponse, responses=problems(HTTPStatus.NOT_FOUND))
async def events(training: TrainingDep, stores: StoresDep) -> AsyncIterator[ServerSentEvent]:
    """The training each time it has changed, as server-sent events `progress`; `end` comes last."""
    identifier = training.job.id

    def render(training: Training) -> ServerSentEvent:
        return ServerSentEvent(data=_out(training, stores))

    changes = follow(training, lambda: stores.trainings.training(identifier), _moment, render)
    async for event in changes:
        yield event


@router.get(
    "/{training_id}/log",
    response_class=PlainTextResponse,
    responses=problems(HTTPStatus.NOT_FOUND),
)
def log(
    training: TrainingDep,
    stores: StoresDep,
    lines: Annotated[int, Query(ge=1, le=1000, description="How many of the last ones")] = 200,
) -> str:
    """The end of what its stages have printed, as text."""
    return "\n".join(stores.trainings.log(training.job.id).splitlines()[-lines:]) + "\n"


def _moment(training: Training) -> tuple[Hashable, bool]:
    return (training.job.state, training.stages, training.attempts), training.job.ended


def _out(training: Training, stores: Stores) -> TrainingOut:
    job = training.job
    position = None if job.ended else stores.ledger.lane_status(job).position
    durations = stores.trainings.durations() if job.state is JobState.RUNNING else {}
    return training_out(training, position, durations)


def _answer(training: Training, response: Response, stores: Stores) -> TrainingOut:
    out = _out(training, stores)
    if not training.job.ended:
        response.headers["Retry-After"] = _RETRY_AFTER
    return out
