"""Tell a job's owner that it has ended: signed by the Standard Webhooks scheme, tried again when the receiver fails."""

import json
import logging
import random
from datetime import UTC, datetime

import httpx
from standardwebhooks import Webhook

from shared.ledger import Job, JobNotFoundError, Ledger
from shared.settings import Settings
from worker.outbound import ForbiddenAddressError, outbound_client

log = logging.getLogger(__name__)

OUTBOX = "webhook"
_GONE = 410
_JITTER = 0.2


class Webhooks:
    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._ledger = ledger
        self._secret = settings.webhook_secret
        self._pauses = settings.webhook_retries_s
        self._public_url = settings.public_url.rstrip("/")
        self._http = outbound_client(
            timeout_s=settings.webhook_timeout_s, allow_private=settings.allow_private_addresses
        )

    def deliver(self, job_id: str) -> None:
        """One attempt; the ledger learns what came of it and when the next one is due."""
        try:
            job = self._ledger.job(job_id)
        except JobNotFoundError:
            self._ledger.settle(OUTBOX, job_id)
            return
        failure = self._attempt(job)
        if failure is None:
            self._settle(job, "delivered")
        elif failure == str(_GONE) or job.webhook_attempts >= len(self._pauses):
            log.warning("job %s: the webhook is given up after %d attempts: %s", job.id, job.webhook_attempts, failure)
            self._settle(job, "failed")
        else:
            pause = self._pauses[job.webhook_attempts] * random.uniform(1, 1 + _JITTER)  # noqa: S311  # no secret
            log.info("job %s: the webhook failed (%s), next attempt in %.0f s", job.id, failure, pause)
            self._ledger.record_webhook(job.id, "retrying")
            self._ledger.postpone(OUTBOX, job.id, pause)

    def _settle(self, job: Job, state: str) -> None:
        self._ledger.record_webhook(job.id, state)
        self._ledger.settle(OUTBOX, job.id)

    def _attempt(self, job: Job) -> str | None:
        """What went wrong, or `None` for a 2xx answer."""
        if job.webhook_url is None or self._secret is None:
            return "no address or no signing secret"
        now = datetime.now(UTC)
        identifier, body = f"msg_{job.id}", json.dumps(self._payload(job, now))
        signature = Webhook(self._secret.get_secret_value()).sign(identifier, now, body)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": identifier,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": signature,
        }
        try:
            with self._http.stream("POST", job.webhook_url, content=body, headers=headers) as response:
                return None if response.is_success else str(response.status_code)
        except (httpx.HTTPError, httpx.InvalidURL, ForbiddenAddressError) as error:
            return f"{type(error).__name__}: {error}"

    def _payload(self, job: Job, now: datetime) -> dict[str, object]:
        """Thin: the receiver fetches the results."""
        url = f"{self._public_url}/v1/jobs/{job.id}"
        return {
            "type": f"job.{job.state}",
            "timestamp": now.isoformat(),
            "data": {
                "id": job.id,
                "state": job.state,
                "counts": {
                    "total": job.total,
                    "succeeded": job.succeeded,
                    "failed": job.failed,
                    "cancelled": job.cancelled,
                    "needs_review": job.needs_review,
                },
                "url": url,
                "results_url": f"{url}/results",
            },
        }
