from datetime import timedelta
from pathlib import Path

import pytest

import worker.tasks  # noqa: F401  # it registers what beat sends
from shared.queues import Task
from worker.app import app
from worker.app.beat import Scheduler

SWEEP = Task.SWEEP.value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "beat-schedule"


def _scheduler(file: Path) -> Scheduler:
    return Scheduler(app, schedule_filename=str(file))


def test_beat_remembers_when_a_task_was_last_sent(file: Path) -> None:
    scheduler = _scheduler(file)
    long_ago = scheduler.schedule[SWEEP].default_now() - timedelta(hours=2)
    scheduler.schedule[SWEEP].last_run_at = long_ago
    scheduler.close()
    entry = _scheduler(file).schedule[SWEEP]
    assert entry.last_run_at == long_ago
    assert entry.is_due()[0], "an hourly task, sent two hours ago"


def test_a_task_sent_just_now_is_not_due(file: Path) -> None:
    scheduler = _scheduler(file)
    scheduler.reserve(scheduler.schedule[SWEEP])
    scheduler.close()
    assert not _scheduler(file).schedule[SWEEP].is_due()[0]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04\x95pickled",
        b"[]",
        b"null",
        b'{"catalog.sweep": 1}',
        b'{"catalog.sweep": "no time"}',
        b'{"catalog.sweep": "2999-01-01T00:00:00"}',
        b'{"catalog.sweep": "2999-01-01T00:00:00+00:00"}',
    ],
)
def test_a_file_that_makes_no_sense_is_forgotten(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    scheduler = _scheduler(file)
    assert not scheduler.schedule[SWEEP].is_due()[0]
    scheduler.close()
    assert _scheduler(file).schedule.keys() == scheduler.schedule.keys()


def test_a_folder_that_is_gone_does_not_end_beat(tmp_path: Path) -> None:
    scheduler = _scheduler(tmp_path / "gone" / "beat-schedule")
    scheduler.close()
    assert scheduler.schedule


def test_the_housekeepers_beat_uses_it() -> None:
    assert app.conf.beat_scheduler == f"{Scheduler.__module__}:{Scheduler.__name__}"
