"""A machine whose clock is an hour off: what counts is Redis's clock."""

import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import libfaketime  # type: ignore[import-untyped]
import pytest

from stack.processes import Process
from stack.receiver import WebhookReceiver
from tests.faults.conftest import Figure, Service, client
from tests.waiting import finished, wait_for

LIBRARY = Path(libfaketime.__file__).parent / "vendor/libfaketime/src/libfaketime.so.1"
LAG = timedelta(seconds=20)
"""Between two events of a test, at most; an hour is far more."""

_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.MULTILINE)

off = pytest.mark.parametrize("clock", ["+3600s", "-3600s"])


@off
def test_a_deadline_is_counted_by_redis_alone(parts: Service, figure: Figure, clock: str) -> None:
    stack = parts()
    stack.start_redis()
    housekeeper = stack.start_housekeeper(_clock(clock))
    stack.start_api(_clock(clock))
    _assert_off(housekeeper)
    with client(stack) as api:
        _assert_an_hour_from_now(parsedate_to_datetime(api.get("/health/live").headers["Date"]))
        patient = _submit(api, deadline_s=60)
        hasty = _submit(api, deadline_s=2)
        began = time.monotonic()
        ended = finished(api, hasty["url"], timeout_s=15)
        took = time.monotonic() - began
        figure(f"a deadline of 2 s, API and housekeeper {clock}: expired after", took, "s")
        assert (ended["state"], ended["reason"]) == ("expired", "deadline")
        assert 1.5 < took < 6
        still = api.get(patient["url"]).json()
        assert still["state"] == "queued"
        deadline, created = (datetime.fromisoformat(still[moment]) for moment in ("deadline_at", "created_at"))
        assert deadline - created == timedelta(seconds=60)
        _assert_now(ended["created_at"], ended["finished_at"], still["created_at"])


@off
def test_worker_with_a_wrong_clock_classifies(parts: Service, clock: str) -> None:
    stack = parts()
    stack.start_redis()
    worker = stack.start_worker(settings=_clock(clock))
    stack.start_housekeeper()
    stack.start_api().wait_until(stack.serves, timeout_s=60)
    _assert_off(worker)
    with client(stack) as api:
        items = [{"id": str(i), "title": f"Piscine gonflable {i}"} for i in range(2000)]
        job = api.post("/v1/jobs", json={"items": items, "deadline_s": 120}).raise_for_status().json()
        ended = finished(api, job["url"])
        assert ended["state"] == "completed"
        assert ended["counts"]["succeeded"] == 2000
        _assert_now(ended["created_at"], ended["started_at"], ended["finished_at"])


@off
def test_a_webhook_carries_rediss_time(parts: Service, clock: str) -> None:
    """The receiver refuses what is older or newer than five minutes."""
    stack = parts()
    stack.start_redis()
    stack.start_housekeeper()
    courier = stack.start_courier(_clock(clock))
    stack.start_api()
    _assert_off(courier)
    with client(stack) as api, WebhookReceiver(stack.webhook_secret) as receiver:
        job = _submit(api, webhook_url=receiver.url)
        api.post(f"{job['url']}/cancel").raise_for_status()
        event = receiver.received.get(timeout=60)
        assert event["data"]["id"] == job["id"]
        delivered = wait_for("the delivery is on record", lambda: _delivered(api, job["url"]))
        (attempt,) = delivered["deliveries"]
        ((headers, _),) = receiver.requests
        sent = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        _assert_now(event["timestamp"], attempt["at"], sent.isoformat())


def _clock(offset: str) -> dict[str, str]:
    """Environment of a process whose clock is off."""
    return {"LD_PRELOAD": str(LIBRARY), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def _assert_off(process: Process) -> None:
    """By its log, as soon as there is any."""
    line = wait_for(f"{process.name} logs", lambda: _STAMP.search(process.log.read_text()))
    _assert_an_hour_from_now(datetime.fromisoformat(line[0]).astimezone(UTC))


def _assert_an_hour_from_now(moment: datetime) -> None:
    assert timedelta(minutes=58) < abs(moment - datetime.now(UTC)) < timedelta(minutes=62)


def _submit(api: httpx.Client, **options: Any) -> dict[str, Any]:
    body = {"items": [{"title": "Lampe"}], **options}
    job: dict[str, Any] = api.post("/v1/jobs", json=body).raise_for_status().json()
    return job


def _delivered(api: httpx.Client, url: str) -> dict[str, Any] | None:
    answer: dict[str, Any] = api.get(f"{url}/deliveries").raise_for_status().json()
    return answer if answer["state"] == "delivered" else None


def _assert_now(*moments: str | None) -> None:
    """By Redis's clock, which is this process's too."""
    for moment in moments:
        assert moment is not None
        assert abs(datetime.fromisoformat(moment) - datetime.now(UTC)) < LAG
