"""What jobs and trainings have in common when they are accepted: checks of what both may ask for, and the opening."""

import logging
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

from api.http.problems import Problem
from shared.addresses import forbidden_host
from shared.ledger import (
    Claim,
    Ledger,
    NewJob,
    NotOnDiskError,
    QueueFullError,
    StagingLostError,
    SupersededError,
)
from shared.queues import TRAINING
from shared.settings import Settings
from shared.telemetry.logs import bound
from shared.telemetry.tracing import current_span, traceparent

log = logging.getLogger(__name__)


def check_webhook(url: str, settings: Settings) -> None:
    """Raises `Problem` where no webhook can be sent there."""
    if not settings.webhook_secrets:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "webhooks-not-configured",
            "This service has no webhook signing secret (CATALOG_WEBHOOK_SECRETS): poll the job instead.",
        )
    if reason := forbidden_host(url, settings.allowed_networks):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "forbidden-address", f"webhook_url: {reason}.")


def check_deadline(deadline_s: float, settings: Settings) -> None:
    """Raises `Problem` where it is too late."""
    if deadline_s > settings.max_deadline_s:
        detail = f"deadline_s is {deadline_s:g}; at most {settings.max_deadline_s:,} s are accepted."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "deadline-too-late", detail)


def open_job(
    ledger: Ledger,
    settings: Settings,
    job: str,
    new: NewJob,
    *,
    url: str,
    wake: Callable[[], None],
    full: Callable[[], Problem],
    claim: Claim | None,
    fingerprint: str,
) -> None:
    """Make a job of what was staged, and wake up who is to do it.

    Args:
        url: Where the job is looked up.
        full: Says why no more is taken.

    Raises:
        Problem: there is no job, or it is not known to be on disk.
    """
    current_span().set_attribute("catalog.job", job)
    try:
        ledger.open(
            job,
            replace(new, traceparent=traceparent()),
            claim=claim,
            fingerprint=fingerprint,
            keep_claim_s=settings.keep_idempotency_s,
            on_disk=settings.confirm_on_disk and new.keep_record_s > 0,
        )
    except NotOnDiskError:
        wake()
        raise _not_on_disk(job, url) from None
    except QueueFullError:
        ledger.discard(job)
        raise full() from None
    except SupersededError:
        ledger.discard(job)
        detail = "Another request with this Idempotency-Key came in between; this one has changed nothing."
        raise Problem(HTTPStatus.CONFLICT, "idempotency-key-in-use", detail, headers={"Retry-After": "1"}) from None
    except StagingLostError:
        ledger.discard(job)
        detail = "The job store lost part of this request before it was complete: send it again."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "staging-lost", detail, headers={"Retry-After": "5"}) from None
    wake()
    with bound(**{"training" if new.lane == TRAINING else "job": job}):
        log.info("%d items in %d chunks are accepted for %s", new.total, new.chunks, new.tenant)


def _not_on_disk(job: str, url: str) -> Problem:
    detail = (
        f"Job {job} was taken, but the job store has not said that it is on disk. Send the request again with the "
        "same Idempotency-Key, or look the job up."
    )
    headers = {"Retry-After": "5", "Location": url}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "not-on-disk", detail, headers=headers, job_id=job)
