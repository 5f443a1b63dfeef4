"""Trainings: from labels to a better model in service."""

from collections.abc import AsyncIterator, Hashable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.access.authentication import TrainCaller
from api.access.ownership import TrainingDep
from api.dependencies import LedgerDep, QueueDep, SettingsDep, TrainingsDep
from api.http.held_requests import HoldDep
from api.http.idempotency import IdempotentDep
from api.http.long_poll import LongPollDep
from api.http.notices import NoticesDep
from api.http.openapi import ACCEPTED, SMALL_BODY, problems, small_body
from api.http.server_sent_events import StreamsDep, View
from api.http.small_bodies import small_model
from api.trainings.render import training_out
from api.trainings.schemas import TrainingIn, TrainingOut, TrainingSourceOut, TrainingSourcesOut, TrainingsOut
from api.trainings.submission import TrainingSubmissionsDep
from shared.ledger import JobState, Ledger, Training, Trainings
from shared.queues import reconcile_soon

router = APIRouter(prefix="/v1/trainings", tags=["trainings"])

_RETRY_AFTER = "5"


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra=small_body(TrainingIn),
    responses=ACCEPTED | SMALL_BODY | problems(HTTPStatus.CONFLICT),
)
async def submit(
    request: Request,
    response: Response,
    submissions: TrainingSubmissionsDep,
    idempotent: IdempotentDep,
    caller: TrainCaller,
) -> TrainingOut:
    """Request a training.

    The training runs when its turn has come. The gate then compares the new model with the one in service.
    """
    body = await small_model(request, TrainingIn)
    async with idempotent.attempt(caller.tenant, "train") as attempt:
        if attempt.answered:
            training = await run_in_threadpool(submissions.replay, body, attempt.answered)
        else:
            training = await run_in_threadpool(submissions.accept, body, caller.tenant, caller.scopes, attempt.claim)
    out = training_out(training.as_accepted(), None, {})
    response.headers["Location"] = out.url
    response.headers["Retry-After"] = _RETRY_AFTER
    attempt.mark(response)
    return out


@router.get("")
def list_(
    ledger: LedgerDep,
    trainings: TrainingsDep,
    caller: TrainCaller,
    limit: Annotated[int, Query(ge=1, le=200, description="The longest the list may be.")] = 20,
) -> TrainingsOut:
    """List your trainings, the newest first."""
    newest = trainings.newest(caller.tenant, limit)
    return TrainingsOut(trainings=[training_now(training, ledger, trainings) for training in newest])


@router.get("/sources")
def list_sources(settings: SettingsDep, caller: TrainCaller) -> TrainingSourcesOut:
    """List the catalogues and texts that a training may learn from, which the operator has named."""
    return TrainingSourcesOut(sources=[TrainingSourceOut(name=name) for name in sorted(settings.training_sources)])


@router.get("/{training_id}", responses=problems(HTTPStatus.NOT_FOUND))
async def get(
    training: TrainingDep,
    response: Response,
    ledger: LedgerDep,
    trainings: TrainingsDep,
    long_poll: LongPollDep,
) -> TrainingOut:
    """Read a training's state, stages, progress and estimated end, and later its verdict and model."""
    if await long_poll.waited(training.job):
        training = await run_in_threadpool(trainings.training, training.job.id)
    return await run_in_threadpool(_answer, training, response, ledger, trainings)


@router.post("/{training_id}/cancel", responses=problems(HTTPStatus.NOT_FOUND))
def cancel(
    training: TrainingDep, response: Response, ledger: LedgerDep, trainings: TrainingsDep, queue: QueueDep
) -> TrainingOut:
    """End a training now, with all its processes.

    A training that has already ended does not change.
    """
    job = ledger.cancel(training.job.id)
    reconcile_soon(queue)
    return _answer(trainings.of(job), response, ledger, trainings)


@router.get("/{training_id}/events", response_class=EventSourceResponse, responses=problems(HTTPStatus.NOT_FOUND))
async def stream_events(
    training: TrainingDep,
    ledger: LedgerDep,
    trainings: TrainingsDep,
    streams: StreamsDep,
    notices: NoticesDep,
    _: HoldDep,
) -> AsyncIterator[ServerSentEvent]:
    """Follow a training as server-sent events.

    Each time the training has changed, an event `progress` shows its state; an event `end` comes last.
    """
    job_id = training.job.id

    def render(training: Training) -> ServerSentEvent:
        return ServerSentEvent(data=training_now(training, ledger, trainings))

    view = View(lambda: trainings.training(job_id), _moment, render)
    async for event in streams.follow(notices, job_id, view):
        yield event


@router.get(
    "/{training_id}/log",
    response_class=PlainTextResponse,
    responses=problems(HTTPStatus.NOT_FOUND),
)
def get_log(
    training: TrainingDep,
    trainings: TrainingsDep,
    lines: Annotated[int, Query(ge=1, le=1000, description="How many of the last lines.")] = 200,
) -> str:
    """Read the last lines that a training's stages have printed."""
    return "\n".join(trainings.log(training.job.id).splitlines()[-lines:]) + "\n"


def _moment(training: Training) -> tuple[Hashable, bool]:
    return (training.job.state, training.stages, training.attempts), training.job.ended


def training_now(training: Training, ledger: Ledger, trainings: Trainings) -> TrainingOut:
    """Return the training as it was read, with its place in the queue and its estimated end as they are now."""
    job = training.job
    position = None if job.ended else ledger.lane_status(job).position
    durations = trainings.durations() if job.state is JobState.RUNNING else {}
    return training_out(training, position, durations)


def _answer(training: Training, response: Response, ledger: Ledger, trainings: Trainings) -> TrainingOut:
    out = training_now(training, ledger, trainings)
    if not training.job.ended:
        response.headers["Retry-After"] = _RETRY_AFTER
    return out
