"""The deliveries of a job's webhook: past attempts, the next one, and the state of the endpoint.

An endpoint is a tenant's URL. All couriers share its state: whether it accepts no more deliveries (it answered 410),
whether it is paused because it kept failing, and how many attempts are under way.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from redis import Redis

from shared.ledger.ledger import JobNotFoundError
from shared.ledger.records import Job, known
from shared.ledger.scripts import job_key, load
from shared.ledger.states import WebhookState
from shared.redis_access import in_bytes

_ERROR_LENGTH = 200


class NothingToDeliverError(RuntimeError):
    """The job has not ended, or has no webhook; the message says which."""


class DeliveryOutcome(StrEnum):
    DELIVERED = "delivered"
    FAILED = "failed"
    POSTPONED = "postponed"
    """The attempt was not made and does not count: the endpoint is paused or busy."""
    DISABLED = "disabled"
    """The attempt was not made: the endpoint accepts no more deliveries."""


class DeliveryTrigger(StrEnum):
    AUTOMATIC = "automatic"
    """By the job's end."""
    REQUESTED = "requested"


class AdmissionDecision(StrEnum):
    """Whether an attempt may be made now."""

    GO = "go"
    PAUSED = "paused"
    """The endpoint kept failing and is paused."""
    BUSY = "busy"
    """The endpoint has its maximum of attempts under way."""
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """An entry of the delivery log. Times are seconds since the epoch by Redis's clock."""

    number: int
    at: float
    trigger: DeliveryTrigger
    outcome: DeliveryOutcome
    status: int | None = None
    """HTTP status of the receiver's answer."""
    error: str | None = None
    """What went wrong, human-readable, cut to 200 characters."""
    duration_ms: int = 0
    next_attempt_at: float | None = None
    """Set by the ledger."""


@dataclass(frozen=True, slots=True)
class Admission:
    decision: AdmissionDecision
    number: int
    """The attempt's number from 1, or the one that it would have had."""
    tries: int
    """Attempts made since the job ended or a redelivery was requested, including this one."""
    round: int
    """Number of requested redeliveries."""
    at: float
    """Time by Redis's clock."""
    wait_s: float
    """Seconds to wait if it is paused or busy."""

    @property
    def trigger(self) -> DeliveryTrigger:
        return DeliveryTrigger.REQUESTED if self.round else DeliveryTrigger.AUTOMATIC

    def attempt(
        self, outcome: DeliveryOutcome, status: int | None = None, error: str | None = None, duration_ms: int = 0
    ) -> DeliveryAttempt:
        return DeliveryAttempt(self.number, self.at, self.trigger, outcome, status, error, duration_ms)


@dataclass(frozen=True, slots=True)
class Breaker:
    """After this many failures in a row an endpoint is paused, each time twice as long, up to 15 minutes."""

    failures: int
    pause_s: float


class Deliveries:
    """The delivery logs in Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)
        self._admit = load(redis, "admit")
        self._report = load(redis, "report")
        self._redeliver = load(redis, "redeliver")

    def admit(self, job: Job, *, at_once: int, hold_s: float) -> Admission | None:
        """Decide whether an attempt may be made now; `None` if none is due, or another courier is making it.

        In every other case the result must be reported.

        Args:
            at_once: The maximum of attempts to the endpoint under way.
            hold_s: Seconds after which an attempt without a report counts as lost.
        """
        answer = self._admit(args=[job.id, _endpoint(job), at_once, hold_s])
        if not answer:
            return None
        decision, number, tries, rounds, at, wait = answer
        return Admission(AdmissionDecision(decision.decode()), number, tries, rounds, float(at), float(wait))

    def report(
        self,
        job: Job,
        admission: Admission,
        attempt: DeliveryAttempt,
        state: WebhookState,
        *,
        pause_s: float | None = None,
        breaker: Breaker,
        made: bool = True,
    ) -> None:
        """Record an attempt; the next one is due after `pause_s`, or never without it.

        Args:
            made: Whether it counts; not, if it was admitted and then could not be made.

        Raises:
            JobNotFoundError: The job's record has expired meanwhile.
        """
        entry = asdict(attempt)
        if attempt.error is not None:
            # Lua's JSON can hold whole characters only.
            entry["error"] = attempt.error[:_ERROR_LENGTH].encode(errors="replace").decode()
        report = {
            "job": job.id,
            "endpoint": _endpoint(job),
            "round": admission.round,
            "attempt": entry,
            "state": state,
            "breaker": asdict(breaker),
            "unmade": not made,
        }
        if pause_s is not None:
            report["pause_s"] = pause_s
        if not self._report(args=[json.dumps(report)]):
            raise JobNotFoundError(job.id)

    def request(self, job: Job) -> None:
        """Make the webhook of an ended job due (again) now, even if its endpoint accepted no more.

        Raises:
            NothingToDeliverError: The job has not ended, or has no webhook.
            JobNotFoundError: The job's record has expired meanwhile.
        """
        match self._redeliver(args=[job.id, _endpoint(job)]):
            case b"gone":
                raise JobNotFoundError(job.id)
            case b"nothing" if job.webhook_url is None:
                raise NothingToDeliverError("the job was sent without a webhook_url")
            case b"nothing":
                raise NothingToDeliverError("the job has not ended yet: its webhook is delivered when it does")

    def log(self, job: Job) -> Sequence[DeliveryAttempt]:
        """Return the last 200 attempts, newest last."""
        return [_attempt(json.loads(packed)) for packed in self._redis.lrange(job_key(job.id, "deliveries"), 0, -1)]


def _endpoint(job: Job) -> str:
    return hashlib.sha256(f"{job.tenant}\0{job.webhook_url or ''}".encode("utf-8", "surrogatepass")).hexdigest()


def _attempt(facts: Mapping[str, Any]) -> DeliveryAttempt:
    read = {"trigger": DeliveryTrigger(facts["trigger"]), "outcome": DeliveryOutcome(facts["outcome"])}
    return DeliveryAttempt(**known(DeliveryAttempt, {**facts, **read}))
