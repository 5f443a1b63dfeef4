"""Delivers webhooks: tells the owner of a job that it has ended, signed as Standard Webhooks says, with retries."""

import json
import logging
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from standardwebhooks import Webhook

from shared.ledger import (
    Admission,
    AdmissionDecision,
    Breaker,
    Deliveries,
    DeliveryOutcome,
    Job,
    JobNotFoundError,
    Ledger,
    Outbox,
    WebhookState,
)
from shared.network.outbound import (
    REDIRECTS,
    Answer,
    LateError,
    NoConnectionError,
    OutboundClient,
    OutboundError,
    within,
)
from shared.network.retry_after import retry_after
from shared.network.urls import UnusableURLError, WebUrl
from shared.queues import TRAINING
from shared.settings import Settings
from shared.telemetry.logs import bound
from shared.telemetry.tracing import Facts, SpanKind, fail, span, traceparent
from shared.tenants.webhook_secrets import signing_secrets
from worker.process import metrics

log = logging.getLogger(__name__)

_AT_ONCE = 4
"""Concurrent attempts per receiver, so that one that hangs leaves threads for the others."""
_GRACE_S = 5
_HINDERED = "the service lacks what it needs to send anything now"
_HINDERED_S = 15
_JITTER = 0.2
_LONGEST_RETRY_AFTER_S = 24 * 3600
_THROTTLING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

_NOT_MADE = {
    AdmissionDecision.PAUSED: "the receiver kept failing, so deliveries to it are paused",
    AdmissionDecision.BUSY: "other deliveries to this receiver are under way",
    AdmissionDecision.DISABLED: "the receiver answered 410 Gone before: request a redelivery to enable it again",
}

_ENDS = {
    WebhookState.DELIVERED: metrics.WebhookEnd.DELIVERED,
    WebhookState.DISABLED: metrics.WebhookEnd.DISABLED,
    WebhookState.FAILED: metrics.WebhookEnd.GIVEN_UP,
    WebhookState.RETRYING: metrics.WebhookEnd.FAILED,
}
"""The outcome of an attempt in the metrics, by the state of the webhook after it."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int | None = None
    error: str | None = None
    """`None` for a 2xx answer."""
    retry_after_s: float = 0


class Webhooks:
    """The deliveries of webhooks.

    Args:
        outbox: The outbox named `webhook`, which holds what is to be delivered.

    Raises:
        ValueError: a master secret is malformed.
    """

    def __init__(self, settings: Settings, ledger: Ledger, outbox: Outbox, deliveries: Deliveries) -> None:
        signing_secrets(settings.webhook_secrets, "")  # raises here, not at a delivery, if one is malformed
        self._ledger = ledger
        self._outbox = outbox
        self._deliveries = deliveries
        self._masters = settings.webhook_secrets
        self._pauses = settings.webhook_retries_s
        self._breaker = Breaker(settings.webhook_breaker_failures, settings.webhook_breaker_pause_s)
        self._public_url = settings.public_url.rstrip("/")
        self._timeout_s = settings.webhook_timeout_s
        self._http = OutboundClient(settings.allowed_networks)

    def deliver_due(self) -> None:
        """Make an attempt for the next job that is due, if there is one."""
        for job_id in self._outbox.take(limit=1):
            self.deliver(job_id)

    def deliver(self, job_id: str) -> None:
        """Make one attempt if one is due; its outcome and the time of the next one go to the ledger."""
        try:
            job = self._ledger.job(job_id)
            admission = self._deliveries.admit(job, at_once=_AT_ONCE, hold_s=self._timeout_s + _GRACE_S)
            if admission is None:
                return
            with bound(**{_kind(job): job.id}):
                if admission.decision is AdmissionDecision.GO:
                    self._traced(job, admission)
                else:
                    self._put_off(job, admission)
        except JobNotFoundError:
            self._outbox.settle(job_id)

    def _put_off(self, job: Job, admission: Admission) -> None:
        """Record that no attempt is made: the receiver wants none, or must not be called now."""
        pause: float | None = None
        if admission.decision is AdmissionDecision.DISABLED:
            outcome, state = DeliveryOutcome.DISABLED, WebhookState.DISABLED
        else:
            outcome, state = DeliveryOutcome.POSTPONED, WebhookState.WAITING
            pause = admission.wait_s * _jitter()
            if admission.tries:
                state = WebhookState.RETRYING
        metrics.webhook(metrics.WebhookEnd(admission.decision.value))
        why = _NOT_MADE[admission.decision]
        log.debug("job %s: webhook %s: %s", job.id, outcome, why)
        attempt = admission.attempt(outcome, error=why)
        self._deliveries.report(job, admission, attempt, state, pause_s=pause, breaker=self._breaker)

    def _traced(self, job: Job, admission: Admission) -> None:
        facts: Facts = {f"catalog.{_kind(job)}": job.id, "catalog.attempt": admission.number}
        with span("deliver webhook", facts, kind=SpanKind.CLIENT, within=job.traceparent) as step:
            answer = self._attempt(job, admission)
            if answer.status is not None:
                step.set_attribute("http.response.status_code", answer.status)
            if answer.error is not None:
                fail(step, "webhook_failed" if answer.status is None else str(answer.status))

    def _attempt(self, job: Job, admission: Admission) -> _Answer:
        begun = time.monotonic()
        try:
            answer = self._post(job, admission.at)
        except OSError as error:
            return self._hindered(job, admission, error)
        took_s = time.monotonic() - begun
        metrics.WEBHOOK_SECONDS.observe(took_s)
        outcome = DeliveryOutcome.DELIVERED if answer.error is None else DeliveryOutcome.FAILED
        attempt = admission.attempt(outcome, answer.status, answer.error, round(took_s * 1000))
        pause: float | None = None
        if answer.error is None:
            state = WebhookState.DELIVERED
        elif answer.status == HTTPStatus.GONE:
            state = WebhookState.DISABLED
        elif admission.tries > len(self._pauses):
            state = WebhookState.FAILED
        else:
            state = WebhookState.RETRYING
            pause = max(self._pauses[admission.tries - 1] * _jitter(), answer.retry_after_s)
        metrics.webhook(_ENDS[state])
        next_one = "" if pause is None else f", next attempt in {pause:.0f} s"
        what = answer.error or f"it answered {answer.status}"
        level = logging.WARNING if state in (WebhookState.FAILED, WebhookState.DISABLED) else logging.INFO
        log.log(level, "job %s: attempt %d, webhook %s: %s%s", job.id, admission.number, state, what, next_one)
        self._deliveries.report(job, admission, attempt, state, pause_s=pause, breaker=self._breaker)
        return answer

    def _hindered(self, job: Job, admission: Admission, error: OSError) -> _Answer:
        """Put the attempt off: this machine lacks something, which is not the receiver's fault."""
        log.error("job %s: no webhook can be sent from here: %s", job.id, error)
        metrics.webhook(metrics.WebhookEnd.HINDERED)
        state = WebhookState.RETRYING if admission.tries > 1 else WebhookState.WAITING
        attempt, pause = admission.attempt(DeliveryOutcome.POSTPONED, error=_HINDERED), _HINDERED_S * _jitter()
        self._deliveries.report(job, admission, attempt, state, pause_s=pause, breaker=self._breaker, made=False)
        return _Answer(error=_HINDERED)

    def _post(self, job: Job, at: float) -> _Answer:
        """Send the webhook; the error quotes nothing from the answer, and nothing of the URL but its host."""
        signers = [Webhook(key.get_secret_value()) for key in signing_secrets(self._masters, job.tenant)]
        if job.webhook_url is None or not signers:
            return _Answer(error="the service has no signing secret")
        now = datetime.fromtimestamp(at, UTC)
        identifier, body = f"msg_{job.id}", json.dumps(self._payload(job))
        headers = {
            "Content-Type": "application/json",
            "webhook-id": identifier,
            "webhook-timestamp": str(int(at)),
            "webhook-signature": " ".join(signer.sign(identifier, now, body) for signer in signers),
        }
        if parent := traceparent():
            headers["traceparent"] = parent  # random numbers that reveal nothing else about the trace
        try:
            url = WebUrl.read(job.webhook_url)
            with within(self._timeout_s), self._http.post(url, headers, body.encode()) as response:
                return _read(response, at)
        except UnusableURLError:
            return _Answer(error="the URL is malformed")
        except LateError:
            return _Answer(error=f"no answer within {self._timeout_s:g} s")
        except NoConnectionError as error:
            return _Answer(error=f"cannot be reached: {error}")
        except OutboundError as error:
            return _Answer(error=f"the connection broke off ({error})")

    def _payload(self, job: Job) -> dict[str, object]:
        """Return the same small payload for each attempt; the receiver fetches the rest."""
        kind = _kind(job)
        url = f"{self._public_url}/v1/{kind}s/{job.id}"
        data: dict[str, object] = {"id": job.id, "state": job.state, "reason": job.reason, "url": url}
        if kind == "job":
            data |= {"parent": job.parent, "name": job.name, "metadata": dict(job.metadata)}
            data |= {"counts": job.counts, "results_url": f"{url}/results"}
        return {
            "type": f"{kind}.{job.state}",
            "timestamp": datetime.fromtimestamp(job.finished_at or job.read_at, UTC).isoformat(),
            "data": data,
        }


def _kind(job: Job) -> str:
    return "training" if job.lane == TRAINING else "job"


def _read(response: Answer, at: float) -> _Answer:
    """Judge the answer by its status and headers; the body is not read."""
    status = response.status
    if response.is_success:
        return _Answer(status)
    error = f"it answered {status}" + ("; redirects are not followed" if status in REDIRECTS else "")
    asked = retry_after(response.header("Retry-After"), at) if status in _THROTTLING else 0
    return _Answer(status, error, min(asked, _LONGEST_RETRY_AFTER_S))


def _jitter() -> float:
    return random.uniform(1, 1 + _JITTER)  # noqa: S311  # not used for security
