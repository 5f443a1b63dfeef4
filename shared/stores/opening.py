"""Open the stores that the settings name."""

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.settings import Settings
from shared.stores.blobs import Blobs


def open_redis(settings: Settings) -> Redis:
    """Return a client that fails within seconds if the server is away.

    Unlike redis-py by default it sends nothing twice: a step whose reply is lost may have been taken.
    """
    return _open(settings, settings.redis_url)


def open_broker(settings: Settings) -> Redis:
    """Return a client of Celery's broker, to look at its queues."""
    return _open(settings, settings.broker_url)


def _open(settings: Settings, url: str) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=settings.redis_timeout_s,
        socket_connect_timeout=2,
        socket_keepalive=True,
        health_check_interval=10,
        retry=Retry(NoBackoff(), 0),
    )


def open_blobs(settings: Settings) -> Blobs:
    return Blobs(settings.blob_url)
