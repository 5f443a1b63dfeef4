"""The stores behind the routes, opened once per process."""

from dataclasses import dataclass
from typing import Annotated

from celery import Celery
from fastapi import Depends, Request
from prometheus_client import CollectorRegistry
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from api.access.rate_limits import RateLimits
from api.jobs.submission import Submissions
from api.labels.submission import Labelling
from api.metrics import stores_registry
from api.trainings.submission import TrainingRequests
from shared.drift import Drift
from shared.ledger import Deliveries, Idempotency, Ledger, Results, Trainings
from shared.queues import celery_app
from shared.registry.state import Models
from shared.settings import Settings
from shared.stores.blobs import Blobs
from shared.stores.opening import open_blobs, open_broker, open_redis
from shared.tenants.api_keys import KeyStore

LONGEST_WAIT_S = 30
"""What a client may ask a job's status to wait for."""


@dataclass(frozen=True)
class Stores:
    settings: Settings
    redis: Redis
    waiting: AsyncRedis
    """For blocking on the end of a job without holding a thread."""
    keys: KeyStore
    rate_limits: RateLimits
    ledger: Ledger
    idempotency: Idempotency
    results: Results
    deliveries: Deliveries
    models: Models
    blobs: Blobs
    queue: Celery
    submissions: Submissions
    drift: Drift
    metrics: CollectorRegistry
    trainings: Trainings
    training_requests: TrainingRequests
    labels: Labelling


def open_stores(settings: Settings) -> Stores:
    client = open_redis(settings)
    blobs = open_blobs(settings)
    queue = celery_app(settings)
    drift = Drift(client, settings.keep_drift_days)
    return Stores(
        settings=settings,
        redis=client,
        waiting=_open_waiting(settings),
        keys=KeyStore(client),
        rate_limits=RateLimits(client, settings.rate_limit),
        ledger=Ledger(client),
        idempotency=Idempotency(client),
        results=Results(client),
        deliveries=Deliveries(client),
        models=Models(client),
        blobs=blobs,
        queue=queue,
        submissions=Submissions(settings, client, blobs, queue),
        drift=drift,
        metrics=stores_registry(client, open_broker(settings), drift),
        trainings=Trainings(client),
        training_requests=TrainingRequests(settings, client, queue),
        labels=Labelling(settings, client, blobs, drift),
    )


def _open_waiting(settings: Settings) -> AsyncRedis:
    """A command that waits on the server is answered once its time is over, or the server is away."""
    patience_s = max(settings.predict_timeout_s, LONGEST_WAIT_S) + settings.redis_timeout_s
    return AsyncRedis.from_url(settings.redis_url, socket_connect_timeout=2, socket_timeout=patience_s)


def _stores(request: Request) -> Stores:
    stores: Stores = request.app.state.stores
    return stores


StoresDep = Annotated[Stores, Depends(_stores)]
