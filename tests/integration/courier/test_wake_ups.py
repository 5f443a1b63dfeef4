"""The courier's wake-ups, bounded by what they wake, and what it does when it is woken."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery
from mlflow import MlflowClient
from redis import Redis

from shared.ledger import Ledger
from shared.queues import DELIVERY, MOST_WAITING, Task, celery_app, messages_waiting, wake_courier
from shared.settings import ROOT, Settings
from shared.stores.blobs import Blobs
from stack.receiver import WebhookReceiver
from tests.courier import Courier, secret_of
from tests.jobs import ended
from tests.redis_state import lose_part, lose_record, outbox_size
from worker.courier.tracking import JobTracking
from worker.housekeeping.reconciler import Reconciler

JOBS, AT_ONCE = 150, 100


@pytest.fixture
def queues(redis_port: int) -> Iterator[Redis]:
    """The broker's database, empty."""
    with Redis(port=redis_port, db=1) as client:
        client.flushdb()
        yield client


@pytest.fixture
def app(redis_port: int) -> Celery:
    return celery_app(Settings(broker_url=f"redis://127.0.0.1:{redis_port}/1"))


@pytest.mark.usefixtures("queues")
def test_queue_does_not_grow_while_the_courier_is_away(
    app: Celery, redis: Redis, queues: Redis, ledger: Ledger
) -> None:
    for _ in range(JOBS):
        ended(ledger, webhook_url="http://127.0.0.1/")
    reconciler = Reconciler(app, redis, queues, Blobs("memory://none"), 0)
    for _ in range(5):
        reconciler.reconcile()
        assert messages_waiting(queues)[DELIVERY] == 2 * AT_ONCE, "as many for each outbox"
    assert (outbox_size(redis, "webhook"), outbox_size(redis, "tracking")) == (JOBS, JOBS)


def test_queue_has_a_bound(app: Celery, queues: Redis) -> None:
    for _ in range(3):
        wake_courier(app, Task.TRACK, MOST_WAITING - 1)
    assert messages_waiting(queues)[DELIVERY] == MOST_WAITING


def test_each_wake_up_delivers_one_job_that_is_due(redis: Redis) -> None:
    courier = Courier(redis)
    with WebhookReceiver(secret_of()) as receiver:
        jobs = {courier.ended(receiver.url) for _ in range(3)}
        for _ in range(5):
            courier.webhooks.deliver_due()
        assert {receiver.received.get(timeout=5)["data"]["id"] for _ in jobs} == jobs
        assert receiver.received.empty()


@pytest.mark.parametrize("gone", ["record", "results", "order"])
def test_tracking_of_a_job_that_is_gone_ends_with_one_line(
    redis: Redis, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    gone: str,
) -> None:  # fmt: skip
    store = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("CATALOG_MLFLOW_TRACKING_URI", store)
    tracking = JobTracking(Settings(mlflow_tracking_uri=store), redis)
    job = ended(ledger)
    if gone == "record":
        lose_record(redis, job)
    else:
        lose_part(redis, job, gone)
    with caplog.at_level(logging.INFO, "worker.courier"):
        for _ in range(2):
            tracking.track_due()
    assert [record.getMessage() for record in caplog.records if job in record.getMessage()] == [
        f"job {job} is never logged to MLflow: its results are no longer kept"
    ]
    assert outbox_size(redis, "tracking") == 0


_USE = """
import sys
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException
import worker.tasks
from worker.app.services import build_services

build_services(["delivery"])
before = set(sys.modules)
client = MlflowClient(sys.argv[1])
try:
    run = client.create_run(client.create_experiment("jobs"), tags={"job": "1"})
    client.log_batch(run.info.run_id, metrics=[Metric("items", 1.0, 0, 0)])
    client.search_runs([run.info.experiment_id], "tags.job = '1'")
    client.search_model_versions("name = 'model'")
except MlflowException as error:
    assert sys.argv[1].startswith("http:"), error
ours = ("mlflow", "sqlalchemy", "alembic", "worker", "shared", "IPython")
print(sorted(name for name in set(sys.modules) - before if name.split(".")[0] in ours))
"""


@pytest.mark.parametrize("kind", ["a database", "a server that is away"])
def test_what_threads_of_a_courier_use_is_imported_before_they_start(tmp_path: Path, kind: str) -> None:
    store = f"sqlite:///{tmp_path}/mlflow.db" if kind == "a database" else "http://127.0.0.1:9"
    if kind == "a database":
        MlflowClient(store).search_experiments()
    env = {"CATALOG_MLFLOW_TRACKING_URI": store, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [sys.executable, "-c", _USE, store], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip().splitlines()[-1] == "[]"
