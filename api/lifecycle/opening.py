"""The atomic step that turns what a request has staged into a job, and the answer to a repetition of the request."""

import logging
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

from api.http.idempotency import check_same
from api.http.problems import Problem
from shared.ledger import (
    KEEP_ANSWERS_S,
    Answered,
    Claim,
    Job,
    Ledger,
    NewJob,
    NotOnDiskError,
    QueueFullError,
    QuotaExceededError,
    StagingLostError,
    SupersededError,
)
from shared.queues import TRAINING
from shared.settings import Settings
from shared.telemetry.logs import bound
from shared.telemetry.tracing import current_span, traceparent

log = logging.getLogger(__name__)


def open_job(
    ledger: Ledger, settings: Settings, job_id: str, new: NewJob, *, claim: Claim | None, fingerprint: str
) -> bool:
    """Open the job; return false if it should be on disk, there and on replicas, and is not known to be.

    Then `not_on_disk` is the answer.

    Raises:
        QueueFullError, QuotaExceededError: its lane is full, or full for its tenant.
        Problem: it was not opened for another reason.
    """
    current_span().set_attribute("catalog.job", job_id)
    kept = new.keep_record_s > 0
    try:
        ledger.open(
            job_id,
            replace(new, traceparent=traceparent()),
            claim=claim,
            fingerprint=fingerprint,
            keep_claim_s=KEEP_ANSWERS_S,
            on_disk=settings.confirm_on_disk and kept,
            replicas=settings.confirm_replicas if kept else 0,
        )
    except NotOnDiskError:
        return False
    except (QueueFullError, QuotaExceededError):
        ledger.discard(job_id, new.tenant)
        raise
    except SupersededError:
        ledger.discard(job_id, new.tenant)
        detail = "Another request with this Idempotency-Key was accepted meanwhile; this one has changed nothing."
        raise Problem(HTTPStatus.CONFLICT, "idempotency-key-in-use", detail, headers={"Retry-After": "1"}) from None
    except StagingLostError:
        ledger.discard(job_id, new.tenant)
        detail = "The job store lost part of this request before it was complete: send it again."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "staging-lost", detail, headers={"Retry-After": "5"}) from None
    with bound(**{"training" if new.lane == TRAINING else "job": job_id}):
        log.info("accepted %d items in %d chunks for tenant %s", new.total, new.chunks, new.tenant)
    return True


def replay(
    ledger: Ledger, settings: Settings, answered: Answered, fingerprint: str, url_of: Callable[[str], str]
) -> Job:
    """Return the earlier request's job as it was accepted, confirmed as it would be now.

    Raises:
        Problem: this is another request, or the job is still not known to be on disk.
    """
    check_same(answered, fingerprint)
    job_id = answered.answer
    if settings.confirm_on_disk or settings.confirm_replicas:
        try:
            ledger.confirm(job_id, on_disk=settings.confirm_on_disk, replicas=settings.confirm_replicas)
        except NotOnDiskError:
            raise not_on_disk(job_id, url_of(job_id)) from None
    return ledger.job(job_id).as_accepted()


def not_on_disk(job_id: str, url: str) -> Problem:
    """The answer about a job that is open but may not survive a crash of Redis; `url` is where it is looked up."""
    detail = (
        f"Job {job_id} was accepted, but the job store has not confirmed that it is on disk, with as many copies as it "
        f"should have. Send the request again with the same Idempotency-Key, or look the job up at {url}."
    )
    headers = {"Retry-After": "5", "Location": url}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "not-on-disk", detail, headers=headers, job_id=job_id)
