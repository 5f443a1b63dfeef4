"""The number of the state's format: written by the first process, and heeded by all that start later."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from shared.ledger import Ledger, TrainingRequest, Trainings
from shared.queues import TRAINING
from shared.settings import ROOT
from shared.stores import state_format
from shared.stores.labels import Label
from shared.stores.state_format import NewerStateError, claim
from stack.processes import StartError, free_port
from stack.services import Ports, Stack
from tests.jobs import new_job

KEY = "catalog:format"
REQUEST = TrainingRequest(params={})


def test_the_first_process_marks_the_state_and_the_next_ones_leave_it(redis: Redis) -> None:
    claim(redis)
    first = redis.hgetall(KEY)
    claim(redis)

    assert first[b"format"] == b"1"
    assert redis.hgetall(KEY) == first


def test_a_release_that_writes_a_later_format_raises_the_number(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(redis)
    monkeypatch.setattr(state_format, "WRITTEN", 2)
    monkeypatch.setattr(state_format, "NEWEST_READ", 2)
    claim(redis)

    assert redis.hget(KEY, "format") == b"2"


def test_a_release_that_reads_a_later_format_runs_beside_the_one_that_writes_it(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis.hset(KEY, mapping={"format": 2, "release": "9.0"})
    monkeypatch.setattr(state_format, "NEWEST_READ", 2)
    claim(redis)

    assert redis.hgetall(KEY) == {b"format": b"2", b"release": b"9.0"}


@pytest.mark.parametrize("stored", ["2", "garbage", "-3"])
def test_a_later_state_is_refused_and_left_as_it_is(redis: Redis, stored: str) -> None:
    redis.hset(KEY, mapping={"format": stored, "release": "9.0"})
    with pytest.raises(NewerStateError, match=r"written by release '9\.0'\); this release"):
        claim(redis)

    assert redis.hgetall(KEY) == {b"format": stored.encode(), b"release": b"9.0"}


@pytest.mark.parametrize(
    "command",
    [
        *(["stack.roles", role] for role in ("api", "worker", "courier", "housekeeper", "trainer")),
        ["api.access.keys_cli", "list"],
    ],
    ids=lambda command: command[-1],
)
def test_no_process_starts_on_a_later_state(redis: Redis, redis_port: int, command: list[str]) -> None:
    redis.hset(KEY, mapping={"format": 2, "release": "9.0"})
    address = f"redis://127.0.0.1:{redis_port}"
    env = {**os.environ, "CATALOG_REDIS_URL": f"{address}/0", "CATALOG_BROKER_URL": f"{address}/1"}
    run = [sys.executable, "-m", *command]
    ended = subprocess.run(run, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert "Redis holds the state of a later release (format 2, written by release '9.0')" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_make_up_does_not_start_on_a_later_state(tmp_path: Path) -> None:
    ports = Ports(redis=free_port(), api=free_port(), mlflow=None)
    stack = Stack(ROOT, tmp_path, ports)
    try:
        stack.start_redis()
        with Redis(port=ports.redis) as redis:
            redis.hset(KEY, mapping={"format": 2, "release": "9.0"})
        with pytest.raises(StartError, match="state of a later release"):
            stack.start_service()
    finally:
        stack.close()


def test_fields_that_a_later_release_added_are_ignored(ledger: Ledger, redis: Redis) -> None:
    line = {"code": 10, "at": "2026-01-02T03:04:05+00:00", "index": 0, "by": "a", "tenant": "t", "later": 1}
    assert Label.read(json.dumps(line).encode(), "file").code == "10"

    trainings, job = Trainings(redis), ledger.new_id()
    trainings.stage(job, REQUEST)
    ledger.open(job, new_job(1, 1, lane=TRAINING), fingerprint="f", keep_claim_s=60)
    key = f"catalog:job:{job}:training"
    request = json.loads(redis.hget(key, "request") or b"")
    stage = {"state": "running", "later": 1}
    redis.hset(
        key, mapping={"request": json.dumps({**request, "later": 1}), "later": "1", "stage:train": json.dumps(stage)}
    )
    training = trainings.training(job)
    assert training.request == REQUEST
    assert training.stage is not None
    assert training.stage.name == "train"
