"""A training as clients see it."""

from collections.abc import Mapping
from datetime import datetime

from api.lifecycle.times import maybe_time, time_of
from api.lifecycle.webhooks import webhook_out
from api.trainings.schemas import StageOut, TrainingErrorOut, TrainingOut, TrainingQueueOut
from shared.ledger import JobState, Stage, StageState, Training
from shared.telemetry.tracing import trace_id


def training_out(training: Training, position: int | None, durations: Mapping[str, float]) -> TrainingOut:
    """Render a training.

    Args:
        position: Its position in the lane; `None` if it is not waiting.
        durations: Seconds that each stage took in the last training.
    """
    job, request = training.job, training.request
    url = url_of(job.id)
    return TrainingOut(
        id=job.id,
        state=job.state,
        reason=job.reason,
        params=dict(request.params),
        source=request.source,
        unlabelled=list(request.unlabelled),
        revision=request.revision,
        promote=request.promote,
        stage=training.stage and training.stage.name,
        stages=[_stage(stage) for stage in training.stages],
        attempts=training.attempts,
        trainer=training.trainer,
        queue=None if position is None else TrainingQueueOut(position=position),
        created_at=time_of(job.created_at),
        started_at=maybe_time(job.started_at),
        finished_at=maybe_time(job.finished_at),
        deadline_at=time_of(job.deadline),
        estimated_finish_at=_estimate(training, durations) if job.state is JobState.RUNNING else None,
        commit=training.revision,
        data=None if training.data is None else dict(training.data),
        bundle=training.bundle,
        version=training.version,
        verdict=training.verdict,
        promoted=training.promoted,
        error=training.error and TrainingErrorOut(stage=training.failed_stage, message=training.error),
        webhook=webhook_out(job),
        trace_id=trace_id(job.traceparent),
        url=url,
        events_url=f"{url}/events",
        log_url=f"{url}/log",
    )


def url_of(job_id: str) -> str:
    return f"/v1/trainings/{job_id}"


def _stage(stage: Stage) -> StageOut:
    return StageOut(
        name=stage.name,
        state=stage.state,
        started_at=maybe_time(stage.started_at),
        finished_at=maybe_time(stage.finished_at),
        cached=stage.cached,
        what=stage.what,
        done=stage.done,
        total=stage.total,
    )


def _estimate(training: Training, durations: Mapping[str, float]) -> datetime | None:
    """When the training ends if each stage takes as long as last time; `None` if one of the rest has never run."""
    now, remaining = training.job.read_at, 0.0
    for stage in training.stages:
        if stage.state is StageState.DONE:
            continue
        if stage.name not in durations:
            return None
        elapsed = now - stage.started_at if stage.state is StageState.RUNNING and stage.started_at else 0.0
        remaining += max(durations[stage.name] - elapsed, 0.0)
    return time_of(min(now + remaining, training.job.deadline))
