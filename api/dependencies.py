"""The stores behind the routes, opened once per process."""

from dataclasses import dataclass
from typing import Annotated

from celery import Celery
from fastapi import Depends, Request
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from api.submission import Submissions
from shared.ledger import Ledger
from shared.queues import celery_app
from shared.settings import Settings
from shared.stores import open_blobs, open_redis


@dataclass(frozen=True)
class Stores:
    settings: Settings
    redis: Redis
    waiting: AsyncRedis
    """For blocking on the end of a job without holding a thread."""
    ledger: Ledger
    queue: Celery
    submissions: Submissions


def open_stores(settings: Settings) -> Stores:
    client = open_redis(settings)
    ledger = Ledger(client, settings.keep_results_s)
    queue = celery_app(settings)
    return Stores(
        settings=settings,
        redis=client,
        waiting=AsyncRedis.from_url(settings.redis_url, socket_connect_timeout=2),
        ledger=ledger,
        queue=queue,
        submissions=Submissions(settings, ledger, open_blobs(settings), queue),
    )


def _stores(request: Request) -> Stores:
    stores: Stores = request.app.state.stores
    return stores


StoresDep = Annotated[Stores, Depends(_stores)]
