"""A courier that was away: what waits for it stays bounded, and its start loses nothing."""

import time
from pathlib import Path

from mlflow import MlflowClient
from redis import Redis

from shared.ledger import Ledger
from shared.queues import DELIVERY, Task, messages_waiting
from shared.tenants.local import LOCAL_TENANT
from stack.receiver import WebhookReceiver
from tests.faults.conftest import Figure, Service
from tests.faults.work import broker
from tests.jobs import ended
from tests.redis_state import outbox_size
from tests.waiting import wait_for

JOBS, MESSAGES = 60, 10_000
FAILURES = ("ImportError", "DeadlockError", "partially initialized", "Traceback")


def test_courier_that_starts_while_messages_wait_loses_nothing(parts: Service, tmp_path: Path, figure: Figure) -> None:
    """The messages are of an earlier release, which sent one for each job, again and again."""
    store = f"sqlite:///{tmp_path}/mlflow.db"
    mlflow = MlflowClient(store)
    mlflow.search_experiments()  # makes the tables
    stack = parts({"CATALOG_TRACK_PREDICTIONS": "true", "CATALOG_MLFLOW_TRACKING_URI": store})
    stack.start_redis()
    with (
        Redis(port=stack.ports.redis) as redis,
        Redis(port=stack.ports.redis, db=1) as queues,
        WebhookReceiver(stack.webhook_secret) as receiver,
    ):
        jobs = [ended(Ledger(redis), tenant=LOCAL_TENANT, webhook_url=receiver.url) for _ in range(JOBS)]
        app = broker(stack)
        for number in range(MESSAGES):
            app.send_task((Task.DELIVER, Task.TRACK)[number % 2], args=[jobs[number // 2 % JOBS]], queue=DELIVERY)
        begun = time.monotonic()
        courier = stack.start_courier()
        wait_for("all messages are taken", lambda: messages_waiting(queues)[DELIVERY] == 0, timeout_s=180)
        figure("10,000 waiting messages: taken after the courier's start", time.monotonic() - begun, "s")
        stack.start_housekeeper()  # repeats what the courier had to postpone
        for outbox in ("webhook", "tracking"):
            wait_for(f"nothing is left in the outbox {outbox}", lambda o=outbox: not outbox_size(redis, o), 180)  # type: ignore[misc]
        told = [receiver.received.get(timeout=60)["data"]["id"] for _ in jobs]
        assert sorted(told) == sorted(jobs)
        assert receiver.received.empty(), "each was told once"
    experiment = mlflow.get_experiment_by_name("rakuten-prediction-api")
    assert experiment is not None
    logged = [run.data.tags["job"] for run in mlflow.search_runs([experiment.experiment_id])]
    assert sorted(logged) == sorted(jobs)
    log = courier.log.read_text()
    assert [sign for sign in FAILURES if sign in log] == []
