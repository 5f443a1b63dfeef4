"""Loading a copy of keys into a Redis that has none of the service's yet, all of them in one step at the end."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from redis.exceptions import ResponseError

from shared.redis_access import PREFIX, LuaScripts
from shared.settings import Settings
from shared.stores.opening import open_to_copy
from stack.backup import resp
from stack.backup.archive import BackupError, NotEmptyError

_RESTORED = f"restored-{PREFIX}"
"""What the keys begin with until all of them are there."""
_COMMANDS = frozenset((b"DEL", b"SET", b"HSET", b"RPUSH", b"SADD", b"ZADD", b"PEXPIREAT"))
"""What a copy may contain, each with a key as its first argument."""
_AT_ONCE = 1000
_TIMEOUT_S = 600
"""For the step that renames the keys: seconds for millions of them."""


class RedisLoad:
    """Raises, in each method, `RedisError` if Redis cannot be reached."""

    def __init__(self, settings: Settings) -> None:
        self._redis: Any = open_to_copy(settings, _TIMEOUT_S)
        self._adopt = LuaScripts(Path(__file__).parent / "lua").load(self._redis, "adopt")

    def check_empty(self) -> None:
        """Raise `BackupError` if the service has keys."""
        if (key := next(self._redis.scan_iter(f"{PREFIX}*", count=1000), None)) is not None:
            raise self._not_empty(f"such as {key.decode(errors='replace')}")

    def load(self, pieces: Iterable[bytes]) -> None:
        """Run the pieces' commands under other names; what an interrupted restore left there is removed first.

        Raises:
            BackupError: The pieces hold other commands, or Redis has not enough memory.
        """
        for key in self._redis.scan_iter(f"{_RESTORED}*", count=1000):
            self._redis.unlink(key)
        for piece in pieces:
            try:
                commands = [self._renamed(command) for command in resp.decode(piece)]
            except ValueError as error:
                raise BackupError(f"the backup's copy of Redis is damaged: {error}") from None
            for begin in range(0, len(commands), _AT_ONCE):
                self._run(commands[begin : begin + _AT_ONCE])

    def adopt(self) -> int:
        """Give all keys their names in one step; return their number.

        Raises:
            BackupError: The service has got keys meanwhile.
        """
        renamed = int(self._adopt(args=[_RESTORED, PREFIX]))
        if renamed < 0:
            raise self._not_empty("which came during the restore")
        return renamed

    def _run(self, commands: list[list[bytes]]) -> None:
        with self._redis.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            try:
                pipe.execute()
            except ResponseError as error:
                raise BackupError(f"Redis refuses the backup's copy: {error}") from None

    @staticmethod
    def _renamed(command: list[bytes]) -> list[bytes]:
        """Return the command for the key's other name; raises `ValueError` if a copy has no such command."""
        name, key, *rest = (*command, b"", b"")[: max(2, len(command))]
        if name not in _COMMANDS or not key.startswith(PREFIX.encode()) or (name == b"DEL" and rest):
            raise ValueError(f"a command that no backup has: {name[:20].decode(errors='replace')}")
        return [name, _RESTORED.encode() + key[len(PREFIX) :], *rest]

    @staticmethod
    def _not_empty(what: str) -> BackupError:
        return NotEmptyError(
            f"Redis already has keys of the service, {what}",
            "stop all processes, and name an empty database in CATALOG_REDIS_URL",
        )
