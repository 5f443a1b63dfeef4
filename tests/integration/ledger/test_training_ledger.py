"""A training's record in the ledger."""

import pytest
from redis import Redis

from shared.ledger import (
    STAGING_S,
    JobNotFoundError,
    JobState,
    Lease,
    Ledger,
    StageState,
    TrainingRequest,
    Trainings,
)
from shared.ledger.scripts import job_key
from shared.ledger.trainings import LANE
from shared.pipeline.stages import STEPS, GateVerdict, PromotePolicy
from tests.jobs import new_job, opened
from tests.redis_state import expire_leases, lose_record, outbox_size, pass_deadline

VERDICT = GateVerdict(challenger="b2", champion="b1", items=12, passed=True, detail="better", checks=())


@pytest.fixture
def trainings(redis: Redis) -> Trainings:
    return Trainings(redis)


def asked(ledger: Ledger, trainings: Trainings, tenant: str = "local", **request: object) -> str:
    job = ledger.new_id()
    trainings.stage(job, TrainingRequest(**{"params": {}, **request}))  # type: ignore[arg-type]
    ledger.open(job, new_job(1, 1, lane=LANE, tenant=tenant, tracked=False))
    return job


def taken(trainings: Trainings) -> Lease:
    lease = trainings.lease()
    assert lease is not None
    return lease


def test_the_request_of_a_training_is_recorded(ledger: Ledger, trainings: Trainings) -> None:
    params = {"train": {"text": {"epochs": 3}}}
    job = asked(ledger, trainings, params=params, source="s3://catalogue", revision="v2", promote=PromotePolicy.MANUAL)
    training = trainings.training(job)
    assert training.request == TrainingRequest(params, "s3://catalogue", "v2", PromotePolicy.MANUAL)
    assert [stage.name for stage in training.stages] == list(STEPS)
    assert {stage.state for stage in training.stages} == {StageState.WAITING}
    assert training.job.state is JobState.QUEUED


def test_reports_set_stages_and_times(ledger: Ledger, trainings: Trainings) -> None:
    job = asked(ledger, trainings)
    lease = taken(trainings)
    assert trainings.report(lease, stages={"import_data": {"state": StageState.RUNNING}}, attempts=1, log="one\ntwo")
    assert trainings.report(lease, stages={"import_data": {"what": "pictures", "done": 3, "total": 8}})
    training = trainings.training(job)
    running = training.stages[0]
    assert training.stage == running
    assert (running.what, running.done, running.total, running.finished_at) == ("pictures", 3, 8, None)
    assert running.started_at is not None
    assert trainings.report(lease, stages={"import_data": {"state": StageState.DONE, "cached": True}})
    done = trainings.training(job).stages[0]
    assert (done.state, done.started_at, done.cached) == (StageState.DONE, running.started_at, True)
    assert done.finished_at is not None
    assert done.finished_at >= running.started_at
    assert trainings.log(job) == "one\ntwo"


def test_a_completed_training_updates_the_durations_of_stages(ledger: Ledger, trainings: Trainings) -> None:
    job = asked(ledger, trainings)
    lease = taken(trainings)
    for name, cached in (("import_data", True), ("train", False)):
        trainings.report(lease, stages={name: {"state": StageState.RUNNING}})
        trainings.report(lease, stages={name: {"state": StageState.DONE, "cached": cached}})
    trainings.report(lease, verdict=VERDICT.model_dump(), bundle="b2", version="2", promoted=True)
    assert trainings.durations() == {}
    assert trainings.complete(lease, "b2") is JobState.COMPLETED
    training = trainings.training(job)
    assert (training.verdict, training.bundle, training.promoted) == (VERDICT, "b2", True)
    assert trainings.durations().keys() == {"train"}  # what was not run says nothing


def test_a_failed_training_names_its_stage(ledger: Ledger, trainings: Trainings, redis: Redis) -> None:
    job = asked(ledger, trainings)
    lease = taken(trainings)
    trainings.report(lease, stages={"train": {"state": StageState.RUNNING}})
    assert trainings.fail(lease, "out of memory", "train") is JobState.FAILED
    training = trainings.training(job)
    assert (training.failed_stage, training.error) == ("train", "out of memory")
    assert training.stages[2].state is StageState.FAILED
    assert outbox_size(redis, "tracking") == 0


def test_a_report_with_a_lost_lease_is_refused(ledger: Ledger, trainings: Trainings, redis: Redis) -> None:
    job = asked(ledger, trainings)
    first = taken(trainings)
    expire_leases(redis)
    assert ledger.recover() == 1
    second = taken(trainings)
    assert (second.attempt, second.losses) == (2, 1)
    assert not trainings.report(first, bundle="stale")
    assert trainings.fail(first, "late") is None
    assert trainings.report(second, bundle="fresh")
    assert trainings.training(job).bundle == "fresh"


def test_a_report_renews_the_lease_of_a_training(ledger: Ledger, trainings: Trainings, redis: Redis) -> None:
    asked(ledger, trainings)
    lease = taken(trainings)
    expire_leases(redis)
    assert trainings.report(lease)
    assert ledger.recover() == 0


def test_a_cancelled_training_takes_no_reports(ledger: Ledger, trainings: Trainings) -> None:
    job = asked(ledger, trainings)
    lease = taken(trainings)
    ledger.cancel(job)
    assert not trainings.report(lease, bundle="b2")
    assert trainings.complete(lease, "b2") is None
    training = trainings.training(job)
    assert (training.job.state, training.bundle) == (JobState.CANCELLED, None)


def test_a_training_past_its_deadline_ends_with_the_next_report(
    ledger: Ledger, trainings: Trainings, redis: Redis
) -> None:
    job = asked(ledger, trainings)
    lease = taken(trainings)
    pass_deadline(redis, job)
    assert not trainings.report(lease)
    assert ledger.job(job).state is JobState.EXPIRED


def test_newest_lists_the_tenants_trainings(ledger: Ledger, trainings: Trainings, redis: Redis) -> None:
    first, _, third = (asked(ledger, trainings, tenant) for tenant in ("shop", "other", "shop"))
    classifying = opened(ledger, [1], tenant="shop")
    assert [training.job.id for training in trainings.newest("shop", 10)] == [third, first]
    assert [training.job.id for training in trainings.newest("shop", 1)] == [third]
    with pytest.raises(JobNotFoundError):
        trainings.training(classifying)
    lose_record(redis, third)
    assert [training.job.id for training in trainings.newest("shop", 10)] == [first]


def test_the_record_of_a_training_expires_with_its_job(ledger: Ledger, trainings: Trainings, redis: Redis) -> None:
    job = asked(ledger, trainings)
    trainings.report(taken(trainings), log="a line")
    for part in (None, "training", "log"):
        assert redis.ttl(job_key(job, part)) == -1
    ledger.cancel(job)
    lasting = redis.ttl(job_key(job))
    assert lasting > 0
    assert redis.ttl(job_key(job, "training")) == redis.ttl(job_key(job, "log")) == lasting


def test_a_training_that_is_never_opened_expires(ledger: Ledger, trainings: Trainings, redis: Redis) -> None:
    job = ledger.new_id()
    trainings.stage(job, TrainingRequest({}))
    assert 0 < redis.ttl(job_key(job, "training")) <= STAGING_S
    ledger.discard(job)
    assert not redis.keys("*")
