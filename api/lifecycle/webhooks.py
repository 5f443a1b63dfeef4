"""The webhook of a job or a training: whether its URL is acceptable, and how clients see it."""

from http import HTTPStatus
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel

from api.http.problems import Problem
from shared.ledger import Job, WebhookState
from shared.network.addresses import forbidden_host
from shared.settings import Settings


class WebhookOut(BaseModel):
    url: str
    state: WebhookState
    attempts: int


def check_webhook(url: str, settings: Settings) -> None:
    """Raise `Problem` if this service sends no webhook to the URL."""
    if not settings.webhook_secrets:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "webhooks-not-configured",
            "This service has no secret to sign webhooks with (CATALOG_WEBHOOK_SECRETS): leave webhook_url out and "
            "poll instead.",
        )
    if reason := forbidden_host(url, settings.allowed_networks):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "forbidden-address", f"webhook_url: {reason}.")


def webhook_out(job: Job) -> WebhookOut | None:
    if job.webhook_url is None or job.webhook_state is None:
        return None
    return WebhookOut(url=masked(job.webhook_url), state=job.webhook_state, attempts=job.webhook_attempts)


def masked(url: str) -> str:
    """The URL without user name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
