"""Trainings: from labels to a better model in service."""

from collections.abc import Hashable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse
from fastapi.sse import ServerSentEvent

from api.access.authentication import TrainCaller
from api.access.ownership import TrainingDep
from api.dependencies import LedgerDep, QueueDep, SettingsDep, TrainingsDep
from api.http.idempotency import IdempotentDep
from api.http.long_poll import LongPollDep
from api.http.openapi import ACCEPTED, EVENTS, SMALL_BODY, problems, small_body
from api.http.server_sent_events import EventsDep, EventStream, View
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
    return TrainingsOut(trainings=[_out(training, ledger, trainings) for training in newest])


@router.get("/sources")
def list_sources(settings: SettingsDep, caller: TrainCaller) -> TrainingSourcesOut:
    """List the catalogues and texts that a training may learn from, which the operator has named."""
    return TrainingSourcesOut(sources=[TrainingSourceOut(name=name) for name in sorted(settings.training_sources)])


@router.get("/{training_id}", response_model=TrainingOut, responses=problems(HTTPStatus.NOT_FOUND))
async def get(
    training: TrainingDep,
    ledger: LedgerDep,
    trainings: TrainingsDep,
    long_poll: LongPollDep,
) -> Response:
    """Read a training's state, stages, progress and estimated end, and later its verdict and model."""
    job = training.job

    def later() -> Response:
        return _answer(trainings.training(job.id), ledger, trainings)

    return await long_poll.answer(job, lambda: _answer(training, ledger, trainings), later)


@router.post("/{training_id}/cancel", response_model=TrainingOut, responses=problems(HTTPStatus.NOT_FOUND))
def cancel(training: TrainingDep, ledger: LedgerDep, trainings: TrainingsDep, queue: QueueDep) -> Response:
    """End a training now, with all its processes.

    A training that has already ended does not change.
    """
    job = ledger.cancel(training.job.id)
    reconcile_soon(queue)
    return _answer(trainings.of(job), ledger, trainings)


@router.get("/{training_id}/events", response_class=EventStream, responses=EVENTS | problems(HTTPStatus.NOT_FOUND))
async def stream_events(
    training: TrainingDep, ledger: LedgerDep, trainings: TrainingsDep, events: EventsDep
) -> Response:
    """Follow a training as server-sent events.

    Each time the training has changed, an event `progress` shows its state; an event `end` comes last.
    """
    job_id = training.job.id

    def render(training: Training) -> ServerSentEvent:
        return ServerSentEvent(data=_out(training, ledger, trainings))

    return events.of(job_id, View(lambda: trainings.training(job_id), _moment, render))


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


def _out(training: Training, ledger: Ledger, trainings: Trainings) -> TrainingOut:
    job = training.job
    position = None if job.ended else ledger.lane_status(job).position
    durations = trainings.durations() if job.state is JobState.RUNNING else {}
    return training_out(training, position, durations)


def _answer(training: Training, ledger: Ledger, trainings: Trainings) -> Response:
    headers = {} if training.job.ended else {"Retry-After": _RETRY_AFTER}
    text = _out(training, ledger, trainings).model_dump_json()
    return Response(text, headers=headers, media_type="application/json")
