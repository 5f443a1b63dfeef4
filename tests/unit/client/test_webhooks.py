"""Webhooks as the service's own library signs them, and as forgers would."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from catalog_client.webhooks import Event, WebhookError, verify

SECRET, OTHER = ("whsec_" + base64.b64encode(bytes([byte]) * 32).decode() for byte in (1, 2))
NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
BODY = json.dumps(
    {
        "type": "job.completed",
        "timestamp": "2024-05-01T11:59:59+00:00",
        "data": {"id": "job1", "state": "completed", "counts": {"total": 2, "succeeded": 2}, "new": 1},
        "new": 2,
    }
)


def signed(body: str = BODY, secret: str = SECRET, at: datetime = NOW) -> dict[str, str]:
    signature = Webhook(secret).sign("msg_1", at, body)
    return {"Webhook-Id": "msg_1", "WEBHOOK-TIMESTAMP": str(int(at.timestamp())), "webhook-signature": signature}


def verified(headers: Mapping[str, str], body: str | bytes = BODY, *secrets: str) -> Event:
    return verify(body, headers, secrets or SECRET, now=NOW.timestamp())


def test_a_signed_event_is_typed() -> None:
    event = verified(signed(), BODY.encode())
    assert (event.id, event.type, event.kind) == ("msg_1", "job.completed", "job")
    assert event.timestamp == datetime(2024, 5, 1, 11, 59, 59, tzinfo=UTC)
    assert (event.data.id, event.data.state) == ("job1", "completed")
    assert event.data.counts is not None
    assert event.data.counts.succeeded == 2
    assert event.document["new"] == 2


def test_one_of_several_signatures_and_secrets_is_enough() -> None:
    both = signed(secret=OTHER)["webhook-signature"] + " v1a,AAAA nonsense " + signed()["webhook-signature"]
    assert verified({**signed(), "webhook-signature": both}).data.id == "job1"
    assert verified(signed(), BODY, OTHER, SECRET).data.id == "job1"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {name: value for name, value in signed().items() if name != "Webhook-Id"},
        {**signed(), "Webhook-Id": "msg_2"},
        {**signed(), "WEBHOOK-TIMESTAMP": "soon"},
        {**signed(), "WEBHOOK-TIMESTAMP": "9" * 400},
        {**signed(), "WEBHOOK-TIMESTAMP": "-1"},
        {**signed(), "webhook-signature": "v1"},
        {**signed(), "webhook-signature": "v1,é"},
        {**signed(), "webhook-signature": signed()["webhook-signature"].replace("v1,", "v2,")},
        signed(secret=OTHER),
        signed(body=BODY + " "),
    ],
)
def test_what_is_forged_or_malformed_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(WebhookError):
        verified(headers)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_old_webhook_is_refused(seconds: int) -> None:
    at = NOW.timestamp() + seconds
    with pytest.raises(WebhookError, match="more than 300 s"):
        verify(BODY, signed(), SECRET, now=at)
    assert verify(BODY, signed(), SECRET, now=at, tolerance_s=302)


@pytest.mark.parametrize("body", ["", "[]", "{}", "7", '{"type": "job.completed", "timestamp": "x", "data": {}}'])
def test_a_signed_body_that_is_no_event_is_refused(body: str) -> None:
    with pytest.raises(WebhookError, match="no event"):
        verified(signed(body), body)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_é", "whsec_!!!!"])
def test_a_malformed_secret_is_the_receiver_s_mistake(secret: str) -> None:
    with pytest.raises(ValueError, match="the signing secret is malformed") as refused:
        verify(BODY, signed(), secret)
    assert not isinstance(refused.value, WebhookError)
