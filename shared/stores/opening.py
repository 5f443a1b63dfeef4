"""Open the stores that the settings name."""

import copy
from typing import Any, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from shared.redis_address import RedisAddress
from shared.settings import Settings
from shared.stores.blobs import Blobs

_CONNECT_S = 2
_MOST_CONNECTIONS = 2**31 - 1
"""No limit: a calling thread holds one connection at a time, and the threads are bounded: 40 on each of the API's two
event loops, and a worker's by settings. By default redis-py refuses the 101st connection although Redis is well."""


def open_redis(settings: Settings) -> Redis:
    """Return a client that fails within seconds if the server is away.

    Unlike redis-py by default it sends nothing twice: a step whose reply is lost may have been taken.
    """
    return _open(settings, settings.redis_url)


def open_broker(settings: Settings) -> Redis:
    """Return a client of Celery's broker, to look at its queues."""
    return _open(settings, settings.broker_url)


def open_to_copy(settings: Settings, timeout_s: float) -> Redis:
    """Return a client that copies all keys: it waits this long for a reply, which is as the protocol RESP2 has it."""
    return _open(settings, settings.redis_url, socket_timeout=timeout_s, health_check_interval=0, protocol=2)


def open_subscriber(settings: Settings) -> AsyncRedis:
    """Return a client for one subscription at a time, for which redis-py's limit of 100 connections is none."""
    address = RedisAddress.parse(settings.redis_url)
    common: dict[str, Any] = {
        "socket_timeout": settings.redis_timeout_s,
        "socket_connect_timeout": _CONNECT_S,
        "socket_keepalive": True,
        "retry": AsyncRetry(NoBackoff(), 0),
    }
    options = {**common, **address.options()}
    if address.service is None:
        return AsyncRedis(**options)
    asking = {**common, **address.sentinel_options()}
    sentinels = _AsyncSentinels(address.hosts, sentinel_kwargs=asking, **options)  # type: ignore[no-untyped-call]
    return cast(AsyncRedis, sentinels.master_for(address.service))


def _open(settings: Settings, url: str, **more: Any) -> Redis:
    address = RedisAddress.parse(url)
    common: dict[str, Any] = {
        "socket_timeout": settings.redis_timeout_s,
        "socket_connect_timeout": _CONNECT_S,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "retry": Retry(NoBackoff(), 0),
        "max_connections": _MOST_CONNECTIONS,
    }
    options = {**common, **address.options(), **more}
    if address.service is None:
        return Redis(**options)
    asking = {**common, **address.sentinel_options()}
    sentinels = _Sentinels(address.hosts, sentinel_kwargs=asking, **options)  # type: ignore[no-untyped-call]
    return cast(Redis, sentinels.master_for(address.service))  # type: ignore[no-untyped-call]


class _Sentinels(Sentinel):
    """Asks for the server whenever a client connects.

    Several threads ask at once, and redis-py moves the sentinel that answered to the front of the list in a way that
    can then lose another one. So each question works on a list of its own.
    """

    def discover_master(self, service_name: str) -> tuple[str, int]:
        asked = copy.copy(self)
        asked.sentinels = list(self.sentinels)
        found: tuple[str, int] = Sentinel.discover_master(asked, service_name)  # type: ignore[no-untyped-call]
        self.sentinels = asked.sentinels
        return found


class _AsyncSentinels(AsyncSentinel):
    """The same for coroutines."""

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        asked = copy.copy(self)
        asked.sentinels = list(self.sentinels)
        found: tuple[str, int] = await AsyncSentinel.discover_master(asked, service_name)
        self.sentinels = asked.sentinels
        return found


def open_blobs(settings: Settings) -> Blobs:
    return Blobs(settings.blob_url)
