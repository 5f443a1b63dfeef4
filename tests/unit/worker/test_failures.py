"""What the record of a failed training says, whatever went wrong on the trainer."""

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from shared.ledger import Ledger, Training, TrainingRequest, Trainings
from shared.queues import TRAINING
from shared.settings import Settings
from tests.jobs import new_job
from tests.waiting import wait_for
from worker.trainings.failures import told
from worker.trainings.run import TrainingRunner
from worker.trainings.trainer import Trainer


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            "git clone: fatal: '/srv/catalog/repo.git' is no repository",
            "git clone: fatal: '…/repo.git' is no repository",
        ),
        ("open(/home/anna/.netrc): no", "open(…/.netrc): no"),
        ("at ~/secret/file, PATH=/usr/bin:/opt/x/bin", "at …/file, PATH=…/bin"),
        ("file:///srv/data/x and sqlite:////srv/mlflow.db", "file://…/x and sqlite://…/mlflow.db"),
        ("https://bob:p@ss@git.example.org/shop/repo.git/: 403", "https://git.example.org/shop/repo.git/: 403"),
        ("s3 of https://h/a/b?X-Amz-Signature=abc&d='e'", "s3 of https://h/a/b?…'e'"),
        ("text/html, ./here/too, 1/2 and 3 / 4", "text/html, ./here/too, 1/2 and 3 / 4"),
        ("a file \udcff", "a file ?"),
    ],
)
def test_a_message_keeps_what_is_not_of_the_machine(message: str, shown: str) -> None:
    assert told(message) == shown


@given(st.text() | st.text(alphabet="/.:?a~ '-"))
def test_any_message_becomes_a_bounded_text(message: str) -> None:
    told(message * 50).encode()
    assert len(told(message * 50)) <= 4003


@pytest.mark.parametrize("unit", ["://", "/", "/a", "-/", "x://?", "://a@", "~/ "])
def test_long_messages_take_time_in_proportion(unit: str) -> None:
    began = time.monotonic()
    told(unit * 300_000)
    assert time.monotonic() - began < 5


@pytest.fixture
def settings(redis: Redis, redis_port: int, tmp_path: Path) -> Settings:
    url = f"redis://127.0.0.1:{redis_port}"
    return Settings(
        redis_url=f"{url}/0",
        broker_url=f"{url}/1",
        training_repository=tmp_path / "no-git",
        training_workspaces=tmp_path / "trainings",
    )


@pytest.fixture
def trainer(settings: Settings) -> Iterator[Trainer]:
    trainer = Trainer(settings, "trainer")
    yield trainer
    trainer.stop()


def _trained(redis: Redis, trainer: Trainer) -> Training:
    """The training after the trainer has had it."""
    ledger, trainings = Ledger(redis), Trainings(redis)
    job = ledger.new_id()
    trainings.stage(job, TrainingRequest({}))
    ledger.open(job, new_job(1, 1, lane=TRAINING), fingerprint="f", keep_claim_s=60)
    trainer.start()
    wait_for("the training ends", lambda: ledger.job(job).ended)
    return trainings.training(job)


def test_the_record_names_no_folder_of_the_trainer_and_the_log_does(
    redis: Redis, trainer: Trainer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    error = _trained(redis, trainer).error
    assert error is not None
    assert "…/no-git is not a git repository that trainings could clone" in error
    assert str(tmp_path) not in error
    assert f"{tmp_path}/no-git is not a git repository" in caplog.text


def test_the_record_of_an_unforeseen_failure_is_bounded(
    redis: Redis, trainer: Trainer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(runner: TrainingRunner) -> None:
        raise RuntimeError(f"https://bob:secret@h/x /srv/private/file \udcff {'x' * 1_000_000} at the end")

    monkeypatch.setattr(TrainingRunner, "run", fail)
    with caplog.at_level(logging.CRITICAL):
        error = _trained(redis, trainer).error
    assert error is not None
    assert error.startswith("the trainer failed: RuntimeError: https://h/x …/file ? xxx")
    assert error.endswith("x at the end")
    assert len(error) < 5000
