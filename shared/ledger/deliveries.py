"""The deliveries of a job's webhook: what was tried, what is to come, and what is known of the endpoint.

An endpoint is a tenant's URL. What is known of it is shared by all workers: whether it wants no more deliveries (it
answered 410), whether it is left alone for a while because it kept failing, and how many attempts are under way.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from redis import Redis

from shared.ledger.ledger import JobNotFoundError
from shared.ledger.records import Job
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
    """It was not made, and does not count: the endpoint is left alone for a while, or busy."""
    DISABLED = "disabled"
    """It was not made: the endpoint wants no more deliveries."""


class DeliveryTrigger(StrEnum):
    AUTOMATIC = "automatic"
    """The job's end."""
    REQUESTED = "requested"


class AdmissionDecision(StrEnum):
    """Whether an attempt may be made now."""

    GO = "go"
    PAUSED = "paused"
    """The endpoint kept failing and is left alone for a while."""
    BUSY = "busy"
    """As many attempts as the endpoint may have are under way."""
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """An entry of the delivery log. Times are seconds since the epoch by Redis's clock."""

    number: int
    at: float
    trigger: DeliveryTrigger
    outcome: DeliveryOutcome
    status: int | None = None
    """What the receiver answered."""
    error: str | None = None
    """What went wrong, for people; cut to 200 characters."""
    duration_ms: int = 0
    next_attempt_at: float | None = None
    """Set by the ledger."""


@dataclass(frozen=True, slots=True)
class Admission:
    decision: AdmissionDecision
    number: int
    """The attempt's, or the one it would have had; from 1."""
    tries: int
    """Attempts made since the job ended or a redelivery was requested, this one included."""
    round: int
    """How often a redelivery was requested."""
    at: float
    """By Redis's clock."""
    wait_s: float
    """Where it is paused or busy: come back after so long."""

    @property
    def trigger(self) -> DeliveryTrigger:
        return DeliveryTrigger.REQUESTED if self.round else DeliveryTrigger.AUTOMATIC

    def attempt(
        self, outcome: DeliveryOutcome, status: int | None = None, error: str | None = None, duration_ms: int = 0
    ) -> DeliveryAttempt:
        return DeliveryAttempt(self.number, self.at, self.trigger, outcome, status, error, duration_ms)


@dataclass(frozen=True, slots=True)
class Breaker:
    """After so many failures in a row an endpoint is left alone, each time for twice as long, up to 15 minutes."""

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
        """Whether an attempt may be made now; `None` where none is due, or another worker is making it.

        Report what became of it in each other case.

        Args:
            at_once: How many attempts the endpoint may have under way.
            hold_s: An attempt that was not reported after so long is taken for lost.
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
    ) -> None:
        """Put an attempt on record; the next one is due after `pause_s`, without which there is none.

        Raises:
            JobNotFoundError: the job's record has expired meanwhile.
        """
        entry = asdict(attempt)
        if attempt.error is not None:
            # As Lua's JSON can hold it: whole characters.
            entry["error"] = attempt.error[:_ERROR_LENGTH].encode(errors="replace").decode()
        said = {
            "job": job.id,
            "endpoint": _endpoint(job),
            "round": admission.round,
            "attempt": entry,
            "state": state,
            "breaker": asdict(breaker),
        }
        if pause_s is not None:
            said["pause_s"] = pause_s
        if not self._report(args=[json.dumps(said)]):
            raise JobNotFoundError(job.id)

    def request(self, job: Job) -> None:
        """Have the webhook of an ended job delivered (again) now, also to an endpoint that wanted no more.

        Raises:
            NothingToDeliverError: the job has not ended, or has no webhook.
            JobNotFoundError: the job's record has expired meanwhile.
        """
        match self._redeliver(args=[job.id, _endpoint(job)]):
            case b"gone":
                raise JobNotFoundError(job.id)
            case b"nothing" if job.webhook_url is None:
                raise NothingToDeliverError("the job was sent without a webhook_url")
            case b"nothing":
                raise NothingToDeliverError("the job has not ended yet: its webhook is delivered when it does")

    def log(self, job: Job) -> Sequence[DeliveryAttempt]:
        """The last 200 attempts, the newest last."""
        return [_attempt(json.loads(packed)) for packed in self._redis.lrange(job_key(job.id, "deliveries"), 0, -1)]


def _endpoint(job: Job) -> str:
    return hashlib.sha256(f"{job.tenant}\0{job.webhook_url or ''}".encode("utf-8", "surrogatepass")).hexdigest()


def _attempt(fields: dict[str, Any]) -> DeliveryAttempt:
    trigger, outcome = DeliveryTrigger(fields.pop("trigger")), DeliveryOutcome(fields.pop("outcome"))
    return DeliveryAttempt(**fields, trigger=trigger, outcome=outcome)
