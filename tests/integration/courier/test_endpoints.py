"""Webhook receivers that are gone, fail, hang or are none of ours to reach."""

import pytest
from redis import Redis

from shared.ledger import AdmissionDecision, Job
from stack.receiver import WebhookReceiver
from tests.courier import House, secret_of
from tests.redis_state import endpoints
from tests.waiting import wait_for


@pytest.fixture
def house(redis: Redis) -> House:
    return House(redis)


def test_a_receiver_that_is_gone_gets_nothing_more_until_a_redelivery_is_requested(house: House) -> None:
    with WebhookReceiver(secret_of(), secret_of("other"), statuses=[410]) as receiver:
        first, second, others = house.ended(receiver.url), house.ended(receiver.url), house.ended(receiver.url, "other")
        house.deliver(first, second, second)
        assert len(receiver.requests) == 1
        assert [house.job(job).webhook_state for job in (first, second)] == ["disabled", "disabled"]
        assert [house.job(job).webhook_attempts for job in (first, second)] == [1, 0]
        assert (house.outcomes(first), house.outcomes(second)) == (["failed"], ["disabled"])
        assert "410" in str(house.log(second)[0].error)
        house.deliver(others)
        assert house.job(others).webhook_state == "delivered"

        house.deliveries.request(house.job(second))
        assert house.job(second).webhook_state == "waiting"
        assert house.outbox.take(60) == [second]
        house.webhooks.deliver(second)
        assert house.job(second).webhook_state == "delivered"
        assert [(attempt.outcome, attempt.trigger) for attempt in house.log(second)] == [
            ("disabled", "automatic"),
            ("delivered", "requested"),
        ]
        third = house.ended(receiver.url)
        house.deliver(third)
    assert house.job(third).webhook_state == "delivered"


def test_a_receiver_that_keeps_failing_is_left_alone_at_no_cost(redis: Redis) -> None:
    house = House(redis, webhook_breaker_failures=3, webhook_breaker_pause_s=100)
    with WebhookReceiver(secret_of(), statuses=[500] * 3) as receiver:
        failed = [house.ended(receiver.url) for _ in range(3)]
        house.deliver(*failed)
        job = house.ended(receiver.url)
        house.deliver(job, job, job, failed[0])
        assert len(receiver.requests) == 3
        assert (house.job(job).webhook_state, house.job(job).webhook_attempts) == ("waiting", 0)
        assert (house.job(failed[0]).webhook_state, house.job(failed[0]).webhook_attempts) == ("retrying", 1)
        assert (house.outcomes(job), house.outcomes(failed[0])) == (["postponed"], ["failed", "postponed"])
        assert 95 < house.pause(job) < 125

        house.end_pause()
        house.deliver(job, *failed)
    assert {house.job(done).webhook_state for done in (job, *failed)} == {"delivered"}
    assert house.outcomes(job) == ["postponed", "delivered"]


def test_a_receiver_that_is_back_starts_with_a_clean_slate(redis: Redis) -> None:
    house = House(redis, webhook_breaker_failures=2, webhook_breaker_pause_s=100)
    with WebhookReceiver(secret_of(), statuses=[500, 500, 500]) as receiver:
        jobs = [house.ended(receiver.url) for _ in range(2)]
        house.deliver(*jobs)
        house.end_pause()
        house.deliver(*jobs)  # the pause is 200 s now
        house.end_pause()
        house.deliver(*jobs)
        assert [house.job(job).webhook_state for job in jobs] == ["delivered", "delivered"]
        receiver.statuses.extend([500, 500])
        *failing, waits = (house.ended(receiver.url) for _ in range(3))
        house.deliver(*failing, waits)
    assert [house.outcomes(job)[-1] for job in (*failing, waits)] == ["failed", "failed", "postponed"]
    assert 95 < house.pause(waits) < 125


def test_failures_of_attempts_that_were_under_way_do_not_prolong_the_pause(redis: Redis) -> None:
    house = House(redis, webhook_breaker_failures=1, webhook_breaker_pause_s=100)
    with WebhookReceiver(secret_of(), statuses=[500, 500], hang=True) as receiver:
        first, second, waits = (house.ended(receiver.url) for _ in range(3))
        with house.delivering(receiver, first, second):
            receiver.go.set()
        house.deliver(waits)
    assert 95 < house.pause(waits) < 125


def test_a_requested_redelivery_does_not_wait_for_the_pause_to_end(redis: Redis) -> None:
    house = House(redis, webhook_breaker_failures=1)
    with WebhookReceiver(secret_of(), statuses=[500]) as receiver:
        job = house.ended(receiver.url)
        house.deliver(job)
        house.deliveries.request(house.job(job))
        house.webhooks.deliver(job)
    assert house.job(job).webhook_state == "delivered"


def test_each_further_failure_doubles_the_pause_up_to_a_quarter_of_an_hour(redis: Redis) -> None:
    house = House(redis, webhook_breaker_failures=1, webhook_breaker_pause_s=100)
    with WebhookReceiver(secret_of(), statuses=[500] * 10) as receiver:
        probe, waits = house.ended(receiver.url), house.ended(receiver.url)
        for pause in (100, 200, 400, 800, 900, 900):
            house.deliver(probe, waits)
            assert pause - 5 < house.pause(waits) < pause * 1.2 + 5
            house.end_pause()


def test_when_the_pause_is_over_one_attempt_finds_out_whether_the_receiver_is_back(redis: Redis) -> None:
    house = House(redis, webhook_breaker_failures=1)
    with WebhookReceiver(secret_of(), statuses=[500], hang=True) as receiver:
        receiver.go.set()
        probe, waits = house.ended(receiver.url), house.ended(receiver.url)
        house.deliver(probe)
        house.end_pause()
        house.make_due(probe)
        receiver.go.clear()
        with house.delivering(receiver, probe):
            house.deliver(waits)
            assert house.outcomes(waits) == ["postponed"]
            assert len(receiver.requests) == 2
        house.deliver(waits)
    assert [house.job(job).webhook_state for job in (probe, waits)] == ["delivered", "delivered"]


def test_a_receiver_that_hangs_holds_no_more_than_four_attempts(house: House) -> None:
    with WebhookReceiver(secret_of(), hang=True) as receiver, WebhookReceiver(secret_of()) as healthy:
        *held, waits, other = (house.ended(url) for url in (*[receiver.url] * 5, healthy.url))
        with house.delivering(receiver, *held):
            assert house.job(held[0]).webhook_state == "delivering"
            house.webhooks.deliver(held[0])  # a wake-up that came twice
            house.deliver(waits, other)
            assert len(receiver.requests) == 4
            assert house.outcomes(waits) == ["postponed"]
            assert house.pause(waits) < 5
            assert house.job(other).webhook_state == "delivered"
        house.deliver(waits)
    assert {house.job(job).webhook_state for job in (*held, waits)} == {"delivered"}
    assert house.outcomes(held[0]) == ["delivered"]


def test_an_attempt_that_is_never_reported_gives_its_slot_up(house: House) -> None:
    lost, alive, waits = (house.job(house.ended("http://127.0.0.1:9/")) for _ in range(3))

    def decision(job: Job, hold_s: float = 60) -> AdmissionDecision | None:
        admission = house.deliveries.admit(job, at_once=2, hold_s=hold_s)
        return admission.decision if admission else None

    assert decision(lost, hold_s=0.3) is AdmissionDecision.GO
    assert decision(lost) is None
    assert decision(alive) is AdmissionDecision.GO
    assert decision(waits) is AdmissionDecision.BUSY
    wait_for("the lost attempt is made again", lambda: decision(lost) is AdmissionDecision.GO)
    assert decision(waits) is AdmissionDecision.BUSY
    assert house.job(lost.id).webhook_attempts == 2


def test_a_receiver_that_hangs_is_given_up_in_time(redis: Redis) -> None:
    house = House(redis, webhook_timeout_s=0.3)
    with WebhookReceiver(secret_of(), hang=True) as receiver:
        job = house.ended(receiver.url)
        house.deliver(job)
    (attempt,) = house.log(job)
    assert (attempt.outcome, attempt.status, attempt.error) == ("failed", None, "no answer within 0.3 s")
    assert 250 < attempt.duration_ms < 5000


def test_a_private_address_gets_nothing_unless_it_is_allowed(redis: Redis) -> None:
    house = House(redis, allowed_networks=())
    with WebhookReceiver(secret_of()) as receiver:
        job = house.ended(receiver.url)
        house.deliver(job)
    assert receiver.requests == []
    assert house.log(job)[0].error == "cannot be reached: 127.0.0.1 does not lead to a public address"


def test_what_is_known_of_an_endpoint_does_not_pile_up(house: House) -> None:
    with WebhookReceiver(secret_of(), statuses=[500, 410]) as receiver, WebhookReceiver(secret_of()) as healthy:
        house.deliver(house.ended(receiver.url), house.ended(receiver.url), house.ended(healthy.url))
    keys = endpoints(house.redis)
    assert len(keys) == 1
    assert all(house.redis.ttl(key) > 0 for key in keys)
