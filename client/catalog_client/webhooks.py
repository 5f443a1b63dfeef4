"""Verify the webhooks that the service sends, by the Standard Webhooks scheme.

The package `standardwebhooks` signs them on the service's side. It is not used here: a malformed signature, timestamp
or body makes it raise ValueError or TypeError instead of its own error, its tolerance is fixed at five minutes, and
this library is to bring httpx and nothing else. `hmac` does the work.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from catalog_client._errors import UnexpectedAnswerError, WebhookError
from catalog_client._parsing import Record, parse
from catalog_client._records import Counts

__all__ = ["TOLERANCE_S", "Ended", "Event", "WebhookError", "check_secret", "verify"]

TOLERANCE_S = 300.0
"""How far the time of signing may lie from now."""

_PREFIX = "whsec_"
_LONGEST_TIME = 16
"""Digits of a time that can still be subtracted from another."""


@dataclass(frozen=True, kw_only=True)
class Ended(Record):
    """The job or training that has ended; fetch the rest with its id."""

    id: str
    state: str
    url: str = ""
    reason: str | None = None
    parent: str | None = None
    name: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    counts: Counts | None = None
    """The counts of a job; a training has none."""
    results_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class Event(Record):
    """A verified webhook."""

    type: str
    """`job.` or `training.` with the state: job.completed, training.failed, …"""
    timestamp: datetime
    """When the job or the training ended."""
    data: Ended
    id: str = ""
    """The `webhook-id`: the same for every delivery of one event, so that a receiver can tell a repetition."""

    @property
    def kind(self) -> str:
        """What has ended: "job" or "training"."""
        return self.type.partition(".")[0]


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Iterable[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    now: float | None = None,
) -> Event:
    """Check that the service has sent this request, recently and unchanged; returns its event.

    Args:
        body: The request's body, byte for byte as it came.
        headers: The request's headers, in any case.
        secret: Your signing secret (`whsec_…`), or several while one takes over from another.
        tolerance_s: How far the time of signing may lie from now.
        now: The time in seconds since the epoch; by default this machine's.

    Raises:
        WebhookError: it is not to be trusted. Answer with 400 or 401, and do nothing else.
        ValueError: a secret is malformed.
    """
    keys = [_key(each) for each in ([secret] if isinstance(secret, str) else secret)]
    content = body.encode() if isinstance(body, str) else bytes(body)
    lowered = {name.lower(): value for name, value in headers.items()}
    identifier, signed_at, signatures = (_header(lowered, name) for name in ("id", "timestamp", "signature"))
    _check_time(signed_at, tolerance_s, time.time() if now is None else now)
    message = b".".join((identifier.encode(), signed_at.encode(), content))
    expected = [base64.b64encode(hmac.digest(key, message, hashlib.sha256)) for key in keys]
    signed = [
        value.encode() for version, _, value in (each.partition(",") for each in signatures.split()) if version == "v1"
    ]
    # Every pair is compared, in constant time: how long it takes says nothing of which one matched.
    if not sum(hmac.compare_digest(one, other) for one in expected for other in signed):
        raise WebhookError("no signature of the webhook is right for this secret")
    return _event(content, identifier)


def check_secret(secret: str) -> None:
    """Raise `ValueError` if this cannot be a signing secret."""
    _key(secret)


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(f"webhook-{name}", "")
    if not value:
        raise WebhookError(f"the header webhook-{name} is missing")
    return value


def _check_time(signed_at: str, tolerance_s: float, now: float) -> None:
    if not (signed_at.isascii() and signed_at.isdecimal() and len(signed_at) < _LONGEST_TIME):
        raise WebhookError("the header webhook-timestamp is no time")
    if abs(now - int(signed_at)) > tolerance_s:
        raise WebhookError(f"the webhook was signed more than {tolerance_s:g} s from now: it is old, or a clock is off")


def _key(secret: str) -> bytes:
    encoded = secret.strip().removeprefix(_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError(f"the signing secret is malformed: it is {_PREFIX} and base64") from None
    return key


def _event(content: bytes, identifier: str) -> Event:
    try:
        return parse(Event, {**json.loads(content), "id": identifier})
    except (ValueError, TypeError, UnexpectedAnswerError) as error:
        raise WebhookError(f"the webhook is signed, but it is no event: {error}") from error
