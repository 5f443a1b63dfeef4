"""Webhooks, from the ledger's outbox to a real receiver."""

import json
import logging
import os
import subprocess
import sys
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import libfaketime  # type: ignore[import-untyped]
import pytest
from pydantic import SecretStr
from redis import Redis

from shared.ledger import (
    Breaker,
    DeliveryAttempt,
    DeliveryOutcome,
    JobNotFoundError,
    NothingToDeliverError,
    WebhookState,
)
from shared.ledger.scripts import job_key
from shared.settings import ROOT, Settings
from shared.tenants.local import LOCAL_TENANT
from stack.processes import free_port
from stack.receiver import WebhookReceiver
from tests.courier import NEW, OLD, Courier, secret_of
from tests.http import local_client
from tests.redis_state import lose_record
from tests.waiting import wait_for


@pytest.fixture
def courier(redis: Redis) -> Courier:
    return Courier(redis)


def test_event_is_delivered_once(courier: Courier) -> None:
    with WebhookReceiver(secret_of()) as receiver:
        job = courier.ended(receiver.url)
        assert courier.outbox.take(60) == [job]
        courier.webhooks.deliver(job)
        courier.webhooks.deliver(job)  # a wake-up that came twice
    event = receiver.received.get(timeout=0)
    assert event["type"] == "job.completed"
    assert event["timestamp"] == datetime.fromtimestamp(courier.job(job).finished_at or 0, UTC).isoformat()
    assert event["data"]["counts"]["succeeded"] == 1
    assert event["data"]["url"].endswith(f"/v1/jobs/{job}")
    assert len(receiver.requests) == 1
    assert (courier.job(job).webhook_state, courier.job(job).webhook_attempts) == ("delivered", 1)
    (attempt,) = courier.log(job)
    assert (attempt.number, attempt.trigger, attempt.outcome, attempt.status) == (1, "automatic", "delivered", 204)
    assert attempt.error is None
    assert attempt.next_attempt_at is None
    assert abs(attempt.at - courier.ledger.now()) < 10
    assert courier.settled(job)


def test_the_event_says_how_a_job_ended_without_all_results(courier: Courier) -> None:
    with WebhookReceiver(secret_of()) as receiver:
        courier.deliver(courier.cancelled(receiver.url))
        event = receiver.received.get(timeout=0)
    assert event["type"] == "job.cancelled"
    assert event["data"]["counts"] == {
        "total": 1, "pending": 0, "succeeded": 0, "failed": 0, "invalid": 0, "cancelled": 1, "expired": 0,
        "needs_review": 0,
    }  # fmt: skip
    assert (event["data"]["reason"], event["data"]["parent"]) == (None, None)


@pytest.mark.parametrize(
    ("secret", "verifies"),
    [
        (secret_of(master=NEW), True),
        (secret_of(master=OLD), True),
        (secret_of("other"), False),
        (NEW.get_secret_value(), False),
    ],
    ids=["new master", "old master", "another tenant's", "the master itself"],
)
def test_the_tenants_secrets_of_all_masters_verify_and_no_others(courier: Courier, secret: str, verifies: bool) -> None:
    with WebhookReceiver(secret) as receiver:
        courier.deliver(courier.ended(receiver.url))
    assert receiver.received.qsize() == verifies
    assert len(receiver.requests[0][0]["webhook-signature"].split(" ")) == 2


def test_every_attempt_carries_the_same_id_and_body_and_a_time_of_its_own(courier: Courier) -> None:
    with WebhookReceiver(secret_of(), statuses=[500]) as receiver:
        job = courier.ended(receiver.url)
        courier.deliver(job)
        second = int(courier.ledger.now()) + 1
        wait_for("the next second", lambda: courier.ledger.now() >= second)
        courier.deliver(job)
        courier.deliveries.request(courier.job(job))
        courier.deliver(job)
    headers, bodies = zip(*receiver.requests, strict=True)
    assert {sent["webhook-id"] for sent in headers} == {f"msg_{job}"}
    assert len(set(bodies)) == 1
    first, retry, _ = (int(sent["webhook-timestamp"]) for sent in headers)
    assert first < retry
    assert receiver.received.qsize() == 2


def test_signature_uses_the_time_of_redis(redis_port: int, courier: Courier) -> None:
    _, off = libfaketime.get_reload_information()
    deliver = f"Courier(Redis(port={redis_port})).deliver(sys.argv[1])"
    with WebhookReceiver(secret_of()) as receiver:
        job = courier.ended(receiver.url)
        program = f"import sys; from redis import Redis; from tests.courier import Courier; {deliver}"
        command = [sys.executable, "-c", program, job]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **off, "FAKETIME": "-2d"}, check=True)
        assert receiver.received.get(timeout=0)["data"]["id"] == job
    assert abs(courier.log(job)[0].at - courier.ledger.now()) < 60


def test_failing_receiver_is_retried_on_schedule_then_given_up(redis: Redis) -> None:
    courier = Courier(redis, webhook_breaker_failures=100)
    pauses = Settings().webhook_retries_s
    with WebhookReceiver(secret_of(), statuses=[500] * 20) as receiver:
        job = courier.ended(receiver.url)
        for pause in pauses:
            courier.deliver(job)
            assert pause <= courier.pause(job) < pause * 1.2 + 5
            assert courier.job(job).webhook_state == "retrying"
            last = courier.log(job)[-1]
            assert (last.status, last.error) == (500, "it answered 500")
            assert last.next_attempt_at == pytest.approx(last.at + courier.pause(job), abs=0.001)
        courier.deliver(job)
    assert (courier.job(job).webhook_state, courier.job(job).webhook_attempts) == ("failed", 10)
    assert courier.settled(job)
    assert [attempt.number for attempt in courier.log(job)] == list(range(1, 11))
    assert courier.log(job)[-1].next_attempt_at is None


def test_retry_pauses_have_jitter(courier: Courier) -> None:
    with WebhookReceiver(secret_of(), statuses=[500] * 4) as receiver:
        jobs = [courier.ended(receiver.url) for _ in range(4)]
        courier.deliver(*jobs)
    pauses = [(attempt.next_attempt_at or 0) - attempt.at for job in jobs for attempt in courier.log(job)]
    assert max(pauses) - min(pauses) > 0.01


def test_early_wake_up_makes_no_attempt(courier: Courier) -> None:
    with WebhookReceiver(secret_of(), statuses=[500]) as receiver:
        job = courier.ended(receiver.url)
        courier.webhooks.deliver(job)
        courier.webhooks.deliver(job)
    assert len(receiver.requests) == 1
    assert courier.outcomes(job) == ["failed"]


@pytest.mark.parametrize(
    ("status", "retry_after", "pause"),
    [
        (429, "3600", 3600),
        (503, "3600", 3600),
        (503, "in an hour", 3600),
        (503, "999999999", 24 * 3600),
        (503, "1", 5),
        (503, "soon", 5),
        (500, "3600", 5),
    ],
)
def test_retry_after_prolongs_the_pause(courier: Courier, status: int, retry_after: str, pause: float) -> None:
    if retry_after == "in an hour":
        retry_after = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    with WebhookReceiver(secret_of(), statuses=[status], headers={"Retry-After": retry_after}) as receiver:
        job = courier.ended(receiver.url)
        courier.deliver(job)
    assert pause - 2 < courier.pause(job) < pause + 10


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure_and_not_followed(courier: Courier, status: int) -> None:
    with (
        WebhookReceiver(secret_of()) as target,
        WebhookReceiver(secret_of(), statuses=[status], headers={"Location": target.url}) as receiver,
    ):
        job = courier.ended(receiver.url)
        courier.deliver(job)
    assert target.requests == []
    assert courier.log(job)[0].error == f"it answered {status}; redirects are not followed"
    assert courier.job(job).webhook_state == "retrying"


def test_a_redelivery_begins_the_schedule_anew(redis: Redis) -> None:
    courier = Courier(redis, webhook_retries_s=(5, 500))
    with WebhookReceiver(secret_of(), statuses=[500] * 4) as receiver:
        job = courier.ended(receiver.url)
        courier.deliver(job, job, job)
        assert courier.job(job).webhook_state == "failed"
        courier.deliveries.request(courier.job(job))
        courier.deliver(job)
        assert courier.pause(job) < 11
        courier.deliver(job)
    assert (courier.job(job).webhook_state, courier.job(job).webhook_attempts) == ("delivered", 5)


def test_a_redelivery_requested_during_an_attempt_is_not_lost(courier: Courier) -> None:
    with WebhookReceiver(secret_of(), hang=True) as receiver:
        job = courier.ended(receiver.url)
        with courier.delivering(receiver, job):
            courier.deliveries.request(courier.job(job))
        assert courier.job(job).webhook_state == "waiting"
        assert courier.outbox.take(60) == [job]
        courier.webhooks.deliver(job)
    assert courier.job(job).webhook_state == "delivered"
    assert receiver.received.qsize() == 2


def test_nothing_is_redelivered_for_a_job_that_runs_or_has_no_webhook(courier: Courier) -> None:
    silent, running = courier.ended(None), courier.open("http://127.0.0.1:9/")
    with pytest.raises(NothingToDeliverError, match="has not ended"):
        courier.deliveries.request(courier.job(running))
    with pytest.raises(NothingToDeliverError, match="webhook_url"):
        courier.deliveries.request(courier.job(silent))


def test_a_service_without_a_secret_sends_nothing_unsigned(redis: Redis) -> None:
    courier = Courier(redis, webhook_secrets=())
    with WebhookReceiver(secret_of()) as receiver:
        job = courier.ended(receiver.url)
        courier.deliver(job)
    assert receiver.requests == []
    assert courier.log(job)[0].error == "the service has no signing secret"


def test_malformed_secret_is_refused_at_the_start(redis: Redis) -> None:
    with pytest.raises(ValueError, match="CATALOG_WEBHOOK_SECRETS"):
        Courier(redis, webhook_secrets=(SecretStr("whsec_short"),))


def test_the_log_is_bounded_and_expires_with_the_job(courier: Courier) -> None:
    job = courier.job(courier.ended("http://127.0.0.1:9/"))
    admission = courier.deliveries.admit(job, at_once=1, hold_s=60)
    assert admission is not None
    for number in range(1, 206):
        attempt = DeliveryAttempt(number, admission.at, admission.trigger, DeliveryOutcome.FAILED, error="é" * 300)
        courier.deliveries.report(job, admission, attempt, WebhookState.RETRYING, pause_s=1, breaker=Breaker(5, 1))
    log = courier.log(job.id)
    assert [attempt.number for attempt in log] == list(range(6, 206))
    assert log[0].error == "é" * 200
    record, kept = courier.redis.pttl(job_key(job.id)), courier.redis.pttl(job_key(job.id, "deliveries"))
    assert 0 < kept <= record + 1000


def test_a_job_whose_record_has_expired_is_settled(courier: Courier) -> None:
    with WebhookReceiver(secret_of(), hang=True) as receiver:
        job = courier.ended(receiver.url)
        read = courier.job(job)
        with courier.delivering(receiver, job):
            lose_record(courier.redis, job)
    assert courier.settled(job)
    assert courier.redis.exists(job_key(job), job_key(job, "deliveries")) == 0
    with pytest.raises(JobNotFoundError):
        courier.deliveries.request(read)
    courier.outbox.postpone(job, 0)
    courier.webhooks.deliver(job)
    assert courier.settled(job)


def test_an_event_stays_small_whatever_the_url(courier: Courier) -> None:
    with WebhookReceiver(secret_of()) as receiver:
        courier.deliver(courier.ended(f"{receiver.url}?{'x' * 7_000}"))
        event = receiver.received.get(timeout=0)
    assert len(json.dumps(event)) < 5_000


def test_credentials_reach_the_receiver_and_nobody_else(courier: Courier, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with WebhookReceiver(secret_of(), statuses=[500]) as receiver:
        job = courier.ended(receiver.url.replace("//", "//someone:hunter2@"))
        courier.deliver(job, job)
    broken = [
        courier.ended(f"http://someone:hunter2@127.0.0.1:{free_port()}/"),
        courier.ended("http://someone:hunter2@nowhere.invalid/"),
        courier.ended("http://someone:hunter2@127.0.0.1:port/"),
        courier.ended("http://someone:99999/hunter2@127.0.0.1/"),
    ]
    courier.deliver(*broken)
    basic = b64encode(b"someone:hunter2").decode()
    assert receiver.requests[-1][0]["Authorization"] == f"Basic {basic}"
    assert receiver.received.qsize() == 1
    told = caplog.text + repr([courier.log(each) for each in (job, *broken)])
    assert job in told
    signing = [secret_of(master=master).removeprefix("whsec_") for master in (NEW, OLD)]
    for secret in ("hunter2", basic, *signing, *(master.get_secret_value() for master in (NEW, OLD))):
        assert secret not in told


def test_the_api_shows_deliveries_and_makes_one_on_request(redis_port: int, courier: Courier) -> None:
    url = f"redis://127.0.0.1:{redis_port}"
    with (
        WebhookReceiver(secret_of(LOCAL_TENANT), statuses=[500]) as receiver,
        local_client(Settings(redis_url=f"{url}/0", broker_url=f"{url}/1")) as api,
    ):
        job = courier.open(receiver.url.replace("//", "//someone:hunter2@"), LOCAL_TENANT)
        path = f"/v1/jobs/{job}/deliveries"
        refused = api.post(path)
        assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (409, "nothing-to-deliver")
        before = api.get(path).json()
        assert before == {"job_id": job, "url": receiver.url, "state": "waiting", "attempts": 0, "deliveries": []}

        courier.ledger.cancel(job)
        courier.deliver(job)
        (failed,) = api.get(path).json()["deliveries"]
        assert (failed["number"], failed["outcome"], failed["status"]) == (1, "failed", 500)
        assert datetime.fromisoformat(failed["next_attempt_at"]) > datetime.fromisoformat(failed["at"])

        requested = api.post(path)
        assert (requested.status_code, requested.json()["state"]) == (202, "waiting")
        assert courier.outbox.take(60) == [job]
        courier.webhooks.deliver(job)
        shown = api.get(path).json()
        assert (shown["state"], shown["attempts"]) == ("delivered", 2)
        assert [entry["trigger"] for entry in shown["deliveries"]] == ["automatic", "requested"]

        silent = api.get(f"/v1/jobs/{courier.ended(None, LOCAL_TENANT)}/deliveries").json()
        assert (silent["url"], silent["state"], silent["deliveries"]) == (None, None, [])
        for answer in (
            api.get(f"/v1/jobs/{courier.ended(receiver.url)}/deliveries"),
            api.post("/v1/jobs/no/deliveries"),
        ):
            assert answer.status_code == 404
