"""How every module of this project uses Redis: one key prefix, one clock, replies in bytes, Lua in files."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, Protocol, cast

from redis import ConnectionError as RedisConnectionError
from redis import Redis
from redis._parsers.base import BaseParser
from redis.commands.core import Script

PREFIX = "catalog:"
"""What every key begins with; the Lua files spell it out."""


class ServerStateError(RedisConnectionError):
    """The server takes no writes, whatever they are, such as one that became a replica."""


# Such replies end the connection, as LOADING does in redis-py: the next one may lead to another server. Otherwise a
# client would keep its connection to a former primary for ever, and Celery would take the reply for unrecoverable.
_TAKES_NO_WRITES = ("READONLY", "MASTERDOWN", "UNBLOCKED", "NOREPLICAS", "MISCONF")
BaseParser.EXCEPTION_CLASSES.update(dict.fromkeys(_TAKES_NO_WRITES, ServerStateError))


class BytesRedis(Protocol):
    """A synchronous client that does not decode replies, which redis-py's own types cannot express."""

    def time(self) -> tuple[int, int]: ...

    def pipeline(self, transaction: bool = True) -> Any: ...

    def pubsub(self, *, ignore_subscribe_messages: bool) -> Any: ...

    def publish(self, channel: str, message: bytes) -> int: ...

    def exists(self, *keys: str) -> int: ...

    def scan_iter(self, match: str, count: int) -> Iterator[bytes]: ...

    def get(self, key: str) -> bytes | None: ...

    def getex(self, key: str, *, ex: int) -> bytes | None: ...

    def getdel(self, key: str) -> bytes | None: ...

    def mget(self, keys: list[str]) -> list[bytes | None]: ...

    def set(self, key: str, value: str | bytes, *, ex: int | None = None, nx: bool = False) -> bool | None: ...

    def delete(self, *keys: str) -> int: ...

    def expire(self, key: str, seconds: int) -> bool: ...

    def hexists(self, key: str, field: str | bytes) -> bool: ...

    def hget(self, key: str | bytes, field: str | bytes) -> bytes | None: ...

    def hscan_iter(self, key: str, *, count: int) -> Iterator[tuple[bytes, bytes]]: ...

    def hgetall(self, key: str) -> dict[bytes, bytes]: ...

    def hkeys(self, key: str | bytes) -> list[bytes]: ...

    def hmget(self, key: str, fields: list[str]) -> list[bytes | None]: ...

    def hset(self, key: str, *, mapping: Mapping[str, Any]) -> int: ...

    def lindex(self, key: str, index: int) -> bytes | None: ...

    def llen(self, key: str) -> int: ...

    def lrange(self, key: str, start: int, end: int) -> list[bytes]: ...

    def scard(self, key: str) -> int: ...

    def sismember(self, key: str, member: str) -> int: ...

    def srem(self, key: str, *members: str | bytes) -> int: ...

    def smembers(self, key: str) -> AbstractSet[bytes]: ...

    def zcount(self, key: str, least: float | str, most: float | str) -> int: ...

    def zadd(self, key: str, scores: Mapping[str, float]) -> int: ...

    def zrange(self, key: str, start: int, end: int) -> list[bytes]: ...

    def zrangebylex(self, key: str, least: str, most: str, start: int, num: int) -> list[bytes]: ...

    def zrem(self, key: str, *members: str | bytes) -> int: ...

    def zrevrange(self, key: str, start: int, end: int) -> list[bytes]: ...


def in_bytes(redis: Redis) -> BytesRedis:
    """The same client with the types of undecoded replies.

    Raises:
        ValueError: The client decodes replies, so compressed values could not be read.
    """
    if redis.get_encoder().decode_responses:
        raise ValueError("a Redis client with decode_responses=False is needed")
    return cast("BytesRedis", redis)


def now(redis: BytesRedis) -> float:
    """Seconds since the epoch by Redis's clock, the one that all processes share."""
    return in_seconds(redis.time())


def in_seconds(time: tuple[int, int]) -> float:
    """Convert the reply of TIME, which has seconds and microseconds."""
    seconds, microseconds = time
    return seconds + microseconds / 1e6


class LuaScripts:
    """The Lua files of a folder, each of them one atomic step.

    Args:
        folder: If it has a `common.lua`, this is put in front of each of the others.
        preamble: Lua to be put in front of all that.
    """

    def __init__(self, folder: Path, preamble: str = "") -> None:
        sources = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.lua")}
        common = sources.pop("common", "")
        self._sources = {name: f"{preamble}\n{common}\n{source}" for name, source in sources.items()}

    def load(self, redis: Redis, name: str) -> Script:
        """Return the step in the file of this name, to be called with `args`."""
        return redis.register_script(self._sources[name])
