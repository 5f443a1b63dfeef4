"""Trainings that are opened by schedule."""

import os
import subprocess
import sys

import pytest
from redis import Redis

from shared.ledger import JobState, Ledger, Trainings
from shared.queues import celery_app
from shared.settings import Settings
from worker.housekeeping.training_schedule import open_scheduled


def _beat(line: str | None) -> subprocess.CompletedProcess[str]:
    code = "from worker.tasks import app; print(app.conf.beat_schedule.get('catalog.open_training'))"
    env = {name: value for name, value in os.environ.items() if name != "CATALOG_TRAINING_SCHEDULE"}
    if line is not None:
        env["CATALOG_TRAINING_SCHEDULE"] = line
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)


def test_no_training_is_scheduled_by_default() -> None:
    assert _beat(None).stdout == "None\n"


def test_beat_has_the_configured_training_schedule() -> None:
    assert "crontab: 0 3 * * 0" in _beat("0 3 * * 0").stdout


def test_malformed_training_schedule_stops_the_start() -> None:
    refused = _beat("every night")
    assert refused.returncode == 1
    assert "CATALOG_TRAINING_SCHEDULE: 'every night' is not a crontab line" in refused.stderr


@pytest.fixture
def settings(redis_port: int) -> Settings:
    url = f"redis://127.0.0.1:{redis_port}"
    return Settings(redis_url=f"{url}/0", broker_url=f"{url}/1", training_tenant="shop", max_queued_trainings=1)


def test_scheduled_trainings_are_opened_one_at_a_time(redis: Redis, settings: Settings) -> None:
    queue, ledger, trainings = celery_app(settings), Ledger(redis), Trainings(redis)
    first = open_scheduled(queue, redis, settings)
    assert first is not None
    opened = trainings.training(first)
    assert (opened.job.tenant, opened.job.state, opened.request.params) == ("shop", JobState.QUEUED, {})
    assert open_scheduled(queue, redis, settings) is None
    ledger.cancel(first)
    again = open_scheduled(queue, redis, settings)
    assert again not in (None, first)
    assert [known.job.id for known in trainings.newest("shop", 5)] == [again, first]


def test_scheduled_training_is_skipped_while_the_queue_is_full(redis: Redis, settings: Settings) -> None:
    queue = celery_app(settings)
    other = settings.model_copy(update={"training_tenant": "other"})
    assert open_scheduled(queue, redis, other) is not None
    assert open_scheduled(queue, redis, settings) is None
    assert Trainings(redis).newest("shop", 5) == []
