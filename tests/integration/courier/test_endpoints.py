"""Webhook receivers that are gone, fail, hang or are none of ours to reach."""

import pytest
from redis import Redis

from shared.ledger import AdmissionDecision, Job
from stack.receiver import WebhookReceiver
from tests.courier import Courier, secret_of
from tests.redis_state import endpoints
from tests.waiting import wait_for


@pytest.fixture
def courier(redis: Redis) -> Courier:
    return Courier(redis)


def test_gone_disables_a_receiver_until_a_redelivery(courier: Courier) -> None:
    with WebhookReceiver(secret_of(), secret_of("other"), statuses=[410]) as receiver:
        first, second, others = (
            courier.ended(receiver.url),
            courier.ended(receiver.url),
            courier.ended(receiver.url, "other"),
        )
        courier.deliver(first, second, second)
        assert len(receiver.requests) == 1
        assert [courier.job(job).webhook_state for job in (first, second)] == ["disabled", "disabled"]
        assert [courier.job(job).webhook_attempts for job in (first, second)] == [1, 0]
        assert (courier.outcomes(first), courier.outcomes(second)) == (["failed"], ["disabled"])
        assert "410" in str(courier.log(second)[0].error)
        courier.deliver(others)
        assert courier.job(others).webhook_state == "delivered"

        courier.deliveries.request(courier.job(second))
        assert courier.job(second).webhook_state == "waiting"
        assert courier.outbox.take(60) == [second]
        courier.webhooks.deliver(second)
        assert courier.job(second).webhook_state == "delivered"
        assert [(attempt.outcome, attempt.trigger) for attempt in courier.log(second)] == [
            ("disabled", "automatic"),
            ("delivered", "requested"),
        ]
        third = courier.ended(receiver.url)
        courier.deliver(third)
    assert courier.job(third).webhook_state == "delivered"


def test_open_breaker_postpones_deliveries_without_spending_attempts(redis: Redis) -> None:
    courier = Courier(redis, webhook_breaker_failures=3, webhook_breaker_pause_s=100)
    with WebhookReceiver(secret_of(), statuses=[500] * 3) as receiver:
        failed = [courier.ended(receiver.url) for _ in range(3)]
        courier.deliver(*failed)
        job = courier.ended(receiver.url)
        courier.deliver(job, job, job, failed[0])
        assert len(receiver.requests) == 3
        assert (courier.job(job).webhook_state, courier.job(job).webhook_attempts) == ("waiting", 0)
        assert (courier.job(failed[0]).webhook_state, courier.job(failed[0]).webhook_attempts) == ("retrying", 1)
        assert (courier.outcomes(job), courier.outcomes(failed[0])) == (["postponed"], ["failed", "postponed"])
        assert 95 < courier.pause(job) < 125

        courier.end_pause()
        courier.deliver(job, *failed)
    assert {courier.job(done).webhook_state for done in (job, *failed)} == {"delivered"}
    assert courier.outcomes(job) == ["postponed", "delivered"]


def test_delivered_attempt_resets_the_breaker(redis: Redis) -> None:
    courier = Courier(redis, webhook_breaker_failures=2, webhook_breaker_pause_s=100)
    with WebhookReceiver(secret_of(), statuses=[500, 500, 500]) as receiver:
        jobs = [courier.ended(receiver.url) for _ in range(2)]
        courier.deliver(*jobs)
        courier.end_pause()
        courier.deliver(*jobs)  # the pause is 200 s now
        courier.end_pause()
        courier.deliver(*jobs)
        assert [courier.job(job).webhook_state for job in jobs] == ["delivered", "delivered"]
        receiver.statuses.extend([500, 500])
        *failing, waits = (courier.ended(receiver.url) for _ in range(3))
        courier.deliver(*failing, waits)
    assert [courier.outcomes(job)[-1] for job in (*failing, waits)] == ["failed", "failed", "postponed"]
    assert 95 < courier.pause(waits) < 125


def test_concurrent_failures_do_not_prolong_the_breakers_pause(redis: Redis) -> None:
    courier = Courier(redis, webhook_breaker_failures=1, webhook_breaker_pause_s=100)
    with WebhookReceiver(secret_of(), statuses=[500, 500], hang=True) as receiver:
        first, second, waits = (courier.ended(receiver.url) for _ in range(3))
        with courier.delivering(receiver, first, second):
            receiver.go.set()
        courier.deliver(waits)
    assert 95 < courier.pause(waits) < 125


def test_a_requested_redelivery_does_not_wait_for_the_pause_to_end(redis: Redis) -> None:
    courier = Courier(redis, webhook_breaker_failures=1)
    with WebhookReceiver(secret_of(), statuses=[500]) as receiver:
        job = courier.ended(receiver.url)
        courier.deliver(job)
        courier.deliveries.request(courier.job(job))
        courier.webhooks.deliver(job)
    assert courier.job(job).webhook_state == "delivered"


def test_breakers_pause_doubles_up_to_a_quarter_of_an_hour(redis: Redis) -> None:
    courier = Courier(redis, webhook_breaker_failures=1, webhook_breaker_pause_s=100)
    with WebhookReceiver(secret_of(), statuses=[500] * 10) as receiver:
        probe, waits = courier.ended(receiver.url), courier.ended(receiver.url)
        for pause in (100, 200, 400, 800, 900, 900):
            courier.deliver(probe, waits)
            assert pause - 5 < courier.pause(waits) < pause * 1.2 + 5
            courier.end_pause()


def test_half_open_breaker_lets_one_attempt_through(redis: Redis) -> None:
    courier = Courier(redis, webhook_breaker_failures=1)
    with WebhookReceiver(secret_of(), statuses=[500], hang=True) as receiver:
        receiver.go.set()
        probe, waits = courier.ended(receiver.url), courier.ended(receiver.url)
        courier.deliver(probe)
        courier.end_pause()
        courier.make_due(probe)
        receiver.go.clear()
        with courier.delivering(receiver, probe):
            courier.deliver(waits)
            assert courier.outcomes(waits) == ["postponed"]
            assert len(receiver.requests) == 2
        courier.deliver(waits)
    assert [courier.job(job).webhook_state for job in (probe, waits)] == ["delivered", "delivered"]


def test_hanging_receiver_holds_at_most_four_attempts(courier: Courier) -> None:
    with WebhookReceiver(secret_of(), hang=True) as receiver, WebhookReceiver(secret_of()) as healthy:
        *held, waits, other = (courier.ended(url) for url in (*[receiver.url] * 5, healthy.url))
        with courier.delivering(receiver, *held):
            assert courier.job(held[0]).webhook_state == "delivering"
            courier.webhooks.deliver(held[0])  # a wake-up that came twice
            courier.deliver(waits, other)
            assert len(receiver.requests) == 4
            assert courier.outcomes(waits) == ["postponed"]
            assert courier.pause(waits) < 5
            assert courier.job(other).webhook_state == "delivered"
        courier.deliver(waits)
    assert {courier.job(job).webhook_state for job in (*held, waits)} == {"delivered"}
    assert courier.outcomes(held[0]) == ["delivered"]


def test_unreported_attempt_frees_its_slot_in_time(courier: Courier) -> None:
    lost, alive, waits = (courier.job(courier.ended("http://127.0.0.1:9/")) for _ in range(3))

    def decision(job: Job, hold_s: float = 60) -> AdmissionDecision | None:
        admission = courier.deliveries.admit(job, at_once=2, hold_s=hold_s)
        return admission.decision if admission else None

    assert decision(lost, hold_s=0.3) is AdmissionDecision.GO
    assert decision(lost) is None
    assert decision(alive) is AdmissionDecision.GO
    assert decision(waits) is AdmissionDecision.BUSY
    wait_for("the lost attempt is made again", lambda: decision(lost) is AdmissionDecision.GO)
    assert decision(waits) is AdmissionDecision.BUSY
    assert courier.job(lost.id).webhook_attempts == 2


def test_hanging_receiver_times_out(redis: Redis) -> None:
    courier = Courier(redis, webhook_timeout_s=0.3)
    with WebhookReceiver(secret_of(), hang=True) as receiver:
        job = courier.ended(receiver.url)
        courier.deliver(job)
    (attempt,) = courier.log(job)
    assert (attempt.outcome, attempt.status, attempt.error) == ("failed", None, "no answer within 0.3 s")
    assert 250 < attempt.duration_ms < 5000


def test_a_private_address_gets_nothing_unless_it_is_allowed(redis: Redis) -> None:
    courier = Courier(redis, allowed_networks=())
    with WebhookReceiver(secret_of()) as receiver:
        job = courier.ended(receiver.url)
        courier.deliver(job)
    assert receiver.requests == []
    assert courier.log(job)[0].error == "cannot be reached: 127.0.0.1 does not lead to a public address"


def test_keys_of_an_endpoint_expire(courier: Courier) -> None:
    with WebhookReceiver(secret_of(), statuses=[500, 410]) as receiver, WebhookReceiver(secret_of()) as healthy:
        courier.deliver(courier.ended(receiver.url), courier.ended(receiver.url), courier.ended(healthy.url))
    keys = endpoints(courier.redis)
    assert len(keys) == 1
    assert all(courier.redis.ttl(key) > 0 for key in keys)
