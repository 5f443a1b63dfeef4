"""The stores, opened as the settings say."""

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.settings import Settings
from shared.stores.blobs import Blobs


def open_redis(settings: Settings) -> Redis:
    """A client that says within seconds that the server is away.

    Nothing is sent twice, as redis-py would: a step whose answer is lost may have been done.
    """
    return _open(settings, settings.redis_url)


def open_broker(settings: Settings) -> Redis:
    """The same of Celery's broker, to look at its queues."""
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
