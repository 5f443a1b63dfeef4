"""A copy of all of the service's keys in Redis as they are at one moment, while the service works.

First all keys are read as they come. Redis tells meanwhile which of them change (client-side caching, in broadcast
mode), and these are read again until few are left. Then Redis lets writers wait (`CLIENT PAUSE`), the last ones are
read, and the writers go on: after some milliseconds, because what was not changed is not read again. So the copy is as
exact as a snapshot, needs no memory of Redis' machine, and no command that managed services forbid (`SYNC`, `BGSAVE`).
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Self, TypeVar

from redis.exceptions import RedisError, ResponseError

from shared.ledger import Audit, Ledger
from shared.queues import TRAINING, Lane
from shared.redis_access import PREFIX, in_seconds
from shared.settings import Settings
from shared.stores.opening import open_to_copy
from shared.tenants.api_keys import KeyStore
from stack.backup import resp
from stack.backup.archive import BackupError, RedisFigures
from stack.backup.progress import ProgressLines

_TIMEOUT_S = 60
_PAUSE_S = 3.0
"""Writers wait this long at most, also if this process is gone: less than `Settings.redis_timeout_s`."""
_CALM_S = 0.3
"""Writers are made to wait when the last keys could be read in this time."""
_ROUNDS, _TRIES = 20, 5
_AT_ONCE = 500
_GROUP_BYTES = 8 * 1024**2
"""Values that are read in one round trip, unless a single one is larger."""
_ARGUMENTS = 1000
"""Number of arguments of one command; even, because some come in pairs."""
_CHANNEL = "__redis__:invalidate"
_T = TypeVar("_T")
_JOB = re.compile(rf"{PREFIX}job:[0-9a-f]{{24}}".encode())


class RedisCopy:
    """Copies the keys as commands that make them again; the last commands for a key are the ones that count.

    Args:
        keep: Called with pieces of the copy, each of whole commands; never while writers wait.
    """

    def __init__(self, settings: Settings, keep: Callable[[bytes], None], progress: ProgressLines) -> None:
        self._redis: Any = open_to_copy(settings, _TIMEOUT_S)
        self._changes = _Changes(open_to_copy(settings, _TIMEOUT_S))
        self._keep = keep
        self._progress = progress
        self._known = set[bytes]()
        """The keys that the copy has."""

    def take(self) -> tuple[datetime, RedisFigures]:
        """Copy all keys; return the moment of which they are a copy, by Redis' clock, and its figures.

        Raises:
            BackupError: They cannot be copied as of one moment.
            RedisError: Redis cannot be reached, or refuses a command.
        """
        with self._changes:
            with self._progress.of("keys of Redis", self._redis.dbsize()) as more:
                for keys in _batches(self._redis.scan_iter(f"{PREFIX}*", count=1000), _AT_ONCE):
                    self._copy(keys)
                    self._changes.drain()
                    more(len(keys))
            return self._finish()

    def _finish(self) -> tuple[datetime, RedisFigures]:
        for _ in range(_TRIES):
            for _ in range(_ROUNDS):
                begun = time.monotonic()
                self._copy(self._changes.take())
                if time.monotonic() - begun < _CALM_S:
                    break
            if taken := self._last():
                return taken
        raise BackupError(f"Redis changes faster than it can be copied, so writers would wait over {_PAUSE_S:.0f} s")

    def _last(self) -> tuple[datetime, RedisFigures] | None:
        """Copy the last keys while writers wait; `None` if that would take too long."""
        with self._paused() as in_time:
            changed = self._changes.take()
            read = []
            for entry in self._entries(changed):
                read.append(entry)
                if not in_time():
                    break
            moment = datetime.fromtimestamp(in_seconds(self._redis.time()), UTC)
            figures = self._figures() if in_time() else None
            complete = figures is not None and not self._changes.drain() and in_time()
        if not complete or figures is None:
            self._changes.put_back(changed)
            return None
        for key, commands in read:
            self._take_over(key, commands)
        jobs = sum(_JOB.fullmatch(key) is not None for key in self._known)
        return moment, figures.model_copy(update={"keys": len(self._known), "jobs": jobs})

    @contextmanager
    def _paused(self) -> Iterator[Callable[[], bool]]:
        """Let all writers wait; the block asks whether they still do."""
        begun = time.monotonic()
        self._redis.execute_command("CLIENT", "PAUSE", int(_PAUSE_S * 1000), "WRITE")
        try:
            yield lambda: time.monotonic() - begun < _PAUSE_S * 0.8
        finally:
            self._redis.execute_command("CLIENT", "UNPAUSE")

    def _figures(self) -> RedisFigures:
        """Without those that are counted in the copy."""
        ledger, server = Ledger(self._redis), self._redis.info("server")
        name = f"{server.get('server_name', 'redis')} {server.get('valkey_version', server['redis_version'])}"
        return RedisFigures(
            server=name,
            keys=0,
            jobs=0,
            unfinished=len(Audit(self._redis).live_jobs()),
            waiting={lane: ledger.pending(lane) for lane in (*Lane, TRAINING)},
            api_keys=len(KeyStore(self._redis).list()),
        )

    def _copy(self, keys: Iterable[bytes]) -> None:
        for key, commands in self._entries(keys):
            self._take_over(key, commands)

    def _take_over(self, key: bytes, commands: bytes) -> None:
        """Keep what makes the key, after removing what earlier commands made."""
        self._keep((resp.encode([b"DEL", key]) if key in self._known else b"") + commands)
        if commands:
            self._known.add(key)
        else:
            self._known.discard(key)

    def _entries(self, keys: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Yield each key with the commands that make it; with none if there is no such key any more."""
        for batch in _batches(keys, _AT_ONCE):
            with self._redis.pipeline(transaction=False) as pipe:
                for key in batch:
                    pipe.type(key)
                    pipe.execute_command("MEMORY", "USAGE", key)
                replies = pipe.execute()
            for group in _groups(zip(batch, replies[::2], replies[1::2], strict=True)):
                yield from self._read(group)

    def _read(self, group: Sequence[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        with self._redis.pipeline(transaction=False) as pipe:
            for key, kind in group:
                pipe.execute_command("PEXPIRETIME", key)
                pipe.execute_command(*_reading(key, kind))
            replies = pipe.execute(raise_on_error=False)
        for (key, kind), expires, value in zip(group, replies[::2], replies[1::2], strict=True):
            if isinstance(expires, Exception):
                raise BackupError(f"Redis 7.0 or later is needed: {expires}")
            if isinstance(value, ResponseError):  # another type since it was asked, so it is read again
                value = []
            if isinstance(value, Exception):
                raise value
            gone = value is None or value == []
            yield key, b"" if gone else _commands(key, kind, value, expires)


class _Changes:
    """Keys of the service that have changed since the block began, as Redis tells it on a connection of its own."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self._channel = redis.pubsub()
        self._changed = set[bytes]()

    def __enter__(self) -> Self:
        identifier = self._ask("CLIENT", "ID")
        # To itself: messages then come in the protocol of PUBSUB.
        self._ask("CLIENT", "TRACKING", "ON", "REDIRECT", str(identifier), "BCAST", "PREFIX", PREFIX)
        self._channel.subscribe(_CHANNEL)
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self._redis.close()

    def drain(self) -> bool:
        """Read what Redis has told until now; return whether any key has changed that was not known to have."""
        before = len(self._changed)
        self._channel.ping()  # its answer comes after everything that Redis told before
        while (message := self._channel.get_message(timeout=_TIMEOUT_S)) is None or message["type"] != "pong":
            if message is None:
                raise RedisError("Redis does not answer")
            if message["type"] != "message":
                continue
            if message["data"] is None:
                raise BackupError("Redis was emptied while it was being copied")
            self._changed.update(message["data"])
        return len(self._changed) > before

    def take(self) -> set[bytes]:
        self.drain()
        taken, self._changed = self._changed, set()
        return taken

    def put_back(self, keys: set[bytes]) -> None:
        self._changed |= keys

    def _ask(self, *command: str) -> Any:
        self._channel.execute_command(*command)
        return self._channel.connection.read_response()


def _groups(keys: Iterable[tuple[bytes, bytes, int | None]]) -> Iterator[list[tuple[bytes, bytes]]]:
    """Divide keys, each with its type and size, into groups that are read in one round trip."""
    group, total = list[tuple[bytes, bytes]](), 0
    for key, kind, size in keys:
        if group and total + (size or 0) > _GROUP_BYTES:
            yield group
            group, total = [], 0
        group.append((key, kind))
        total += size or 0
    if group:
        yield group


def _reading(key: bytes, kind: bytes) -> tuple[bytes | int, ...]:
    match kind:
        case b"string" | b"none":
            return b"GET", key
        case b"hash":
            return b"HGETALL", key
        case b"list":
            return b"LRANGE", key, 0, -1
        case b"set":
            return b"SMEMBERS", key
        case b"zset":
            return b"ZRANGE", key, 0, -1, b"WITHSCORES"
        case _:
            raise BackupError(f"the key {key.decode(errors='replace')} has a type that no release uses: {kind!r}")


def _commands(key: bytes, kind: bytes, value: Any, expires: int) -> bytes:
    """Return the commands that make the key.

    Args:
        value: As Redis replies: a hash as fields and values by turns, a sorted set as members and scores.
        expires: In milliseconds; negative for never.
    """
    match kind:
        case b"hash":
            name, arguments = b"HSET", value
        case b"list":
            name, arguments = b"RPUSH", value
        case b"set":
            name, arguments = b"SADD", value
        case b"zset":
            name, arguments = b"ZADD", [part for pair in zip(value[1::2], value[::2], strict=True) for part in pair]
        case _:
            name, arguments = b"SET", [value]
    commands = [resp.encode([name, key, *some]) for some in _batches(arguments, _ARGUMENTS)]
    if expires >= 0:
        commands.append(resp.encode([b"PEXPIREAT", key, b"%d" % expires]))
    return b"".join(commands)


def _batches(values: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch
