"""The stores, opened as the settings say."""

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.blobs import Blobs
from shared.settings import Settings


def open_redis(settings: Settings) -> Redis:
    """A client that says within seconds that the server is away.

    Nothing is sent twice, as redis-py would: a step whose answer is lost may have been done.
    """
    return Redis.from_url(
        settings.redis_url,
        socket_timeout=settings.redis_timeout_s,
        socket_connect_timeout=2,
        socket_keepalive=True,
        health_check_interval=10,
        retry=Retry(NoBackoff(), 0),
    )


def open_blobs(settings: Settings) -> Blobs:
    return Blobs(settings.blob_url)
