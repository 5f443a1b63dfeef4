"""Trainings: jobs of one chunk in a separate lane, each with a record of its request and its results.

Leases, states, deadlines, cancelling, webhooks and idempotency keys are those of every job.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from redis import Redis

from shared.ledger.ledger import LEASE_S, MAX_DEADLINE_S, STAGING_S, JobNotFoundError, Ledger
from shared.ledger.quotas import MemoryQuota
from shared.ledger.records import Job, Lease, NewJob, Outcome, QueuedItem, known
from shared.ledger.scripts import job_key, load
from shared.ledger.states import JobState
from shared.pipeline.stages import STEPS, GateVerdict, PromotePolicy
from shared.redis_access import PREFIX, in_bytes

LANE = "training"
"""The lane of trainings."""

_DURATIONS = f"{PREFIX}training:durations"


class StageState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"
    """The training ended while the stage ran."""


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """A request to train."""

    params: Mapping[str, Any]
    """Overrides of `params.yaml`, nested in the same way."""
    source: str | None = None
    """Name of the catalogue, which the operator has given it; `None` for the one in `params.yaml`."""
    revision: str | None = None
    """Revision of the repository; `None` for the one that is checked out."""
    promote: PromotePolicy = PromotePolicy.AUTO
    unlabelled: tuple[str, ...] = ()
    """Names of files of texts without a label; with none, those in `params.yaml`."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The state of a stage. Times are by Redis's clock."""

    name: str
    state: StageState = StageState.WAITING
    started_at: float | None = None
    """Start of the last attempt."""
    finished_at: float | None = None
    cached: bool = False
    """Whether it was skipped because nothing that it depends on had changed."""
    what: str | None = None
    """What `done` and `total` count, human-readable."""
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Training:
    """A training at one moment."""

    job: Job
    request: TrainingRequest
    stages: tuple[Stage, ...] = tuple(Stage(name) for name in STEPS)
    attempts: int = 0
    """Number of times a trainer took it: several if one vanished or was stopped."""
    trainer: str | None = None
    """The trainer that has it, or had it last."""
    revision: str | None = None
    """The commit that was checked out."""
    data: Mapping[str, Any] | None = None
    """Its training data: DVC's hashes by path, and the labels' snapshot."""
    verdict: GateVerdict | None = None
    bundle: str | None = None
    """The bundle that it made."""
    version: str | None = None
    """The bundle's number in the model registry."""
    promoted: bool | None = None
    """Whether the model was promoted at the training's end; `None` before that was decided."""
    failed_stage: str | None = None
    error: str | None = None
    """Why it failed, human-readable."""

    @property
    def stage(self) -> Stage | None:
        """The stage that runs."""
        return next((stage for stage in self.stages if stage.state is StageState.RUNNING), None)

    def as_accepted(self) -> "Training":
        """Return the training as it was when it was opened, which is what its request was answered with."""
        return Training(self.job.as_accepted(), self.request)

    @classmethod
    def read(cls, job: Job, stored: Mapping[bytes, bytes]) -> "Training":
        facts = {name.decode(): json.loads(value) for name, value in stored.items()}
        stages = tuple(_stage(name, facts.pop(f"stage:{name}", {}), job.ended) for name in STEPS)
        request = facts.pop("request")
        if verdict := facts.pop("verdict", None):
            facts["verdict"] = GateVerdict.model_validate(verdict)
        texts = tuple(request.pop("unlabelled", ()))
        read = {**request, "unlabelled": texts, "promote": PromotePolicy(request["promote"])}
        return cls(job, TrainingRequest(**known(TrainingRequest, read)), stages, **known(cls, facts))


class TrainingLimits(Protocol):
    """The settings that every training's job takes its limits from (`shared.settings.Settings` has them)."""

    @property
    def max_queued_trainings(self) -> int: ...

    @property
    def keep_results_s(self) -> int: ...

    @property
    def keep_jobs_s(self) -> int: ...


def new_training(
    limits: TrainingLimits,
    tenant: str,
    *,
    deadline_s: float | None = None,
    webhook_url: str | None = None,
    max_waiting: int | None = None,
) -> NewJob:
    """Describe the job of one item in one chunk that `Trainings.stage` has staged."""
    return NewJob(
        tenant=tenant,
        lane=LANE,
        total=1,
        chunks=1,
        deadline_s=deadline_s or MAX_DEADLINE_S,
        max_queued=limits.max_queued_trainings,
        max_waiting=max_waiting,
        keep_s=limits.keep_results_s,
        keep_record_s=limits.keep_jobs_s,
        webhook_url=webhook_url,
        tracked=False,  # the stages write to MLflow themselves
    )


class Trainings:
    """The records of trainings in Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)
        self._ledger = Ledger(redis)
        self._report = load(redis, "report_training")

    # Accepting

    def stage(self, job: str, request: TrainingRequest, memory: MemoryQuota | None = None) -> None:
        """Stage the item and the request of a training, which `Ledger.open` then opens as a job.

        Arguments and errors are those of `Ledger.stage`.
        """
        self._ledger.stage(job, 0, [QueuedItem(0, job)], memory)
        with self._redis.pipeline() as pipe:
            # Without an empty `unlabelled`, which trainers of the release before do not know.
            facts = {name: value for name, value in asdict(request).items() if value != ()}
            pipe.hset(job_key(job, "training"), "request", json.dumps(facts))
            pipe.expire(job_key(job, "training"), STAGING_S)
            pipe.execute()

    # Working on it

    def lease(self) -> Lease | None:
        """Lease the next training; `None` if none waits."""
        return self._ledger.lease(LANE)

    def report(
        self,
        lease: Lease,
        *,
        stages: Mapping[str, Mapping[str, Any]] | None = None,
        log: str | None = None,
        **facts: Any,
    ) -> bool:
        """Record progress and renew the lease.

        Args:
            stages: By name, the changed fields of a `Stage`; its times come from Redis.
            facts: Fields of a `Training`.

        Returns:
            Whether it was recorded: not if another trainer has the lease, or the training has ended.
        """
        report: dict[str, Any] = {"set": {name: json.dumps(value) for name, value in facts.items()}}
        if stages:
            report["stages"] = stages
        if log is not None:
            report["log"] = log
        return bool(self._report(args=[lease.member, LEASE_S, json.dumps(report)]))

    def complete(self, lease: Lease, bundle: str) -> JobState | None:
        """Complete the training and keep its stages' durations for estimates; `None` if it came too late."""
        state = self._ledger.commit(lease, bundle, [Outcome(0, lease.job_id)])
        if state is JobState.COMPLETED:
            training = self.training(lease.job_id)
            took = {
                stage.name: stage.finished_at - stage.started_at
                for stage in training.stages
                if not stage.cached and stage.started_at is not None and stage.finished_at is not None
            }
            if took:
                self._redis.hset(_DURATIONS, mapping=took)
        return state

    def fail(self, lease: Lease, message: str, stage: str | None = None) -> JobState | None:
        """End the training with an error; `None` if it came too late."""
        stages = {stage: {"state": StageState.FAILED}} if stage else None
        if not self.report(lease, stages=stages, error=message, failed_stage=stage):
            return None
        return self._ledger.commit(lease, "", [Outcome.failed(QueuedItem(0, lease.job_id), "training_failed", message)])

    def release(self, lease: Lease) -> None:
        """Return the training unfinished, for another trainer to continue."""
        self._ledger.release([lease])

    # Reading

    def training(self, job_id: str) -> Training:
        """Return the training; raises `JobNotFoundError`, also for a job that is not a training."""
        return self.of(self._ledger.job(job_id))

    def of(self, job: Job) -> Training:
        """Return the job as a training; raises `JobNotFoundError` for a job that is not one."""
        fields = self._redis.hgetall(job_key(job.id, "training"))
        if not fields:
            raise JobNotFoundError(job.id)
        return Training.read(job, fields)

    def newest(self, tenant: str, limit: int) -> list[Training]:
        """Return the tenant's trainings, newest first."""
        key, found = f"{PREFIX}trainings:{tenant}", list[Training]()
        for member in self._redis.zrevrange(key, 0, -1):
            if len(found) == limit:
                break
            try:
                found.append(self.training(member.decode()))
            except JobNotFoundError:  # its record has expired
                self._redis.zrem(key, member)
        return found

    def log(self, job_id: str) -> str:
        """Return the end of the log of its stages."""
        return (self._redis.get(job_key(job_id, "log")) or b"").decode()

    def durations(self) -> dict[str, float]:
        """Return the seconds that each stage took in the last completed training that ran it."""
        return {name.decode(): float(seconds) for name, seconds in self._redis.hgetall(_DURATIONS).items()}


def _stage(name: str, facts: dict[str, Any], ended: bool) -> Stage:
    stage = Stage(**known(Stage, {**facts, "name": name}))
    state = StageState(stage.state)
    return replace(stage, state=StageState.STOPPED if ended and state is StageState.RUNNING else state)
