"""The courier's part in webhooks, over a real Redis, without its processes."""

from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any

from pydantic import SecretStr
from redis import Redis

from shared.ledger import Deliveries, DeliveryAttempt, Job, Ledger, Outbox
from shared.settings import Settings
from shared.tenants.webhook_secrets import signing_secrets
from stack.receiver import WebhookReceiver
from tests.jobs import leased, opened, outcomes_of
from tests.redis_state import close_breakers, due_at, forget_pause
from tests.waiting import wait_for
from worker.courier.webhooks import Webhooks

TENANT = "shop"
NEW, OLD = (SecretStr("whsec_" + b64encode(bytes([byte]) * 32).decode()) for byte in (1, 2))
"""Master secrets."""


def secret_of(tenant: str = TENANT, master: SecretStr = NEW) -> str:
    """Return the secret that a receiver of the tenant has."""
    return signing_secrets([master], tenant)[0].get_secret_value()


class Courier:
    """The webhooks of a courier and the parts of the ledger it uses.

    Args:
        settings: The fields of `Settings` that the test is about.
    """

    def __init__(self, redis: Redis, **settings: Any) -> None:
        self.redis = redis
        self.ledger = Ledger(redis)
        self.outbox = Outbox(redis, "webhook")
        self.deliveries = Deliveries(redis)
        loopback = (ip_network("127.0.0.0/8"),)
        chosen = {"webhook_secrets": (NEW, OLD), "allowed_networks": loopback, "webhook_timeout_s": 10, **settings}
        self.webhooks = Webhooks(Settings(**chosen), self.ledger, self.outbox, self.deliveries)

    def open(self, url: str | None, tenant: str = TENANT) -> str:
        return opened(self.ledger, [1], tenant=tenant, keep_s=60, keep_record_s=600, webhook_url=url)

    def ended(self, url: str | None, tenant: str = TENANT) -> str:
        """A completed job."""
        job = self.open(url, tenant)
        lease = leased(self.ledger)
        assert lease.job_id == job
        self.ledger.commit(lease, "v1", outcomes_of(lease))
        return job

    def cancelled(self, url: str) -> str:
        job = self.open(url)
        self.ledger.cancel(job)
        return job

    def job(self, job: str) -> Job:
        return self.ledger.job(job)

    def log(self, job: str) -> list[DeliveryAttempt]:
        return list(self.deliveries.log(self.job(job)))

    def outcomes(self, job: str) -> list[str]:
        return [str(attempt.outcome) for attempt in self.log(job)]

    def settled(self, job: str) -> bool:
        """Whether nothing more is due for the job's webhook."""
        return due_at(self.redis, "webhook", job) is None

    def pause(self, job: str) -> float:
        """Seconds from the last entry of the log until the outbox has the job's webhook due."""
        due = due_at(self.redis, "webhook", job)
        assert due is not None
        return due - self.log(job)[-1].at

    def make_due(self, job: str) -> None:
        """Let the pause before the next attempt be over."""
        forget_pause(self.redis, job)
        self.outbox.postpone(job, 0)

    def end_pause(self) -> None:
        """Let the breakers' pauses be over."""
        close_breakers(self.redis)

    def deliver(self, *jobs: str) -> None:
        """An attempt for each, one after the other, due or not."""
        for job in jobs:
            self.make_due(job)
            self.webhooks.deliver(job)

    @contextmanager
    def delivering(self, receiver: WebhookReceiver, *jobs: str) -> Iterator[None]:
        """With attempts at the receiver under way, which hangs; they end with the block."""
        before = len(receiver.requests)
        with ThreadPoolExecutor() as pool:
            under_way = [pool.submit(self.webhooks.deliver, job) for job in jobs]
            wait_for("all have arrived", lambda: len(receiver.requests) == before + len(jobs))
            try:
                yield
            finally:
                receiver.go.set()
            for attempt in under_way:
                attempt.result()
