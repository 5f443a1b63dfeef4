"""Signed webhooks to a real receiver, end to end; `test_deliveries.py` and `test_endpoints.py` go into the details."""

import json
from typing import Any

import httpx
import pytest

from api.lifecycle.webhook_events import EndedJobOut, JobEndedOut
from stack.receiver import WebhookReceiver
from stack.services import Stack
from tests.waiting import finished, wait_for


def _submit(api: httpx.Client, webhook_url: str) -> str:
    body = {"items": [{"title": "Coussin"}], "webhook_url": webhook_url}
    return str(api.post("/v1/jobs", json=body).raise_for_status().json()["url"])


def test_a_signed_event_says_where_the_results_are(api: httpx.Client, stack: Stack) -> None:
    with WebhookReceiver(stack.webhook_secret) as receiver:
        url = _submit(api, receiver.url)
        event = receiver.received.get(timeout=30)
    assert event["type"] == "job.completed"
    (headers, _), documented = receiver.requests[0], api.get("/openapi.json").json()["webhooks"]["job.ended"]["post"]
    assert {parameter["name"] for parameter in documented["parameters"]} <= set(headers)
    JobEndedOut.model_validate(event)
    assert set(event["data"]) == set(EndedJobOut.model_fields), "the document names all of it"
    counts = api.get(url).json()["counts"]
    assert event["data"]["counts"] == counts
    assert (counts["total"], counts["succeeded"]) == (1, 1)
    assert api.get(event["data"]["results_url"]).json()["results"][0]["status"] == "succeeded"
    assert len(json.dumps(event)) < 20_000
    webhook = wait_for("delivery is on record", lambda: _when(api, url, "delivered"))
    assert webhook["attempts"] == 1


def test_a_receiver_that_fails_is_tried_again(api: httpx.Client, stack: Stack) -> None:
    with WebhookReceiver(stack.webhook_secret, statuses=[503, 503]) as receiver:
        url = _submit(api, receiver.url)
        receiver.received.get(timeout=30)
    assert len(receiver.requests) == 3
    assert wait_for("delivery is on record", lambda: _when(api, url, "delivered"))["attempts"] == 3
    log = api.get(f"{url}/deliveries").json()
    assert [entry["outcome"] for entry in log["deliveries"]] == ["failed", "failed", "delivered"]
    assert [entry["status"] for entry in log["deliveries"]] == [503, 503, 204]


def test_a_delivery_can_be_requested_again(api: httpx.Client, stack: Stack) -> None:
    with WebhookReceiver(stack.webhook_secret) as receiver:
        url = _submit(api, receiver.url)
        first = receiver.received.get(timeout=30)
        wait_for("delivery is on record", lambda: _when(api, url, "delivered"))
        assert api.post(f"{url}/deliveries").status_code == 202
        assert receiver.received.get(timeout=30) == first
    identifiers = {headers["webhook-id"] for headers, _ in receiver.requests}
    assert identifiers == {f"msg_{first['data']['id']}"}


def test_unreachable_receiver_is_given_up(api: httpx.Client) -> None:
    url = _submit(api, "http://127.0.0.1:9/nobody")
    assert wait_for("the webhook is given up", lambda: _when(api, url, "failed"))["attempts"] == 4
    assert finished(api, url)["state"] == "completed"


@pytest.mark.parametrize("url", ["not a url", "ftp://example.com", 3])
def test_a_webhook_that_is_no_http_url_is_refused(api: httpx.Client, url: object) -> None:
    response = api.post("/v1/jobs", json={"items": [{"title": "x"}], "webhook_url": url})
    assert response.status_code == 422
    assert response.json()["type"].endswith("invalid-webhook-url")


def _when(api: httpx.Client, url: str, state: str) -> dict[str, Any] | None:
    webhook: dict[str, Any] = api.get(url).json()["webhook"]
    return webhook if webhook["state"] == state else None
