"""The administrative log: who created or revoked which key, and who changed which model serves.

Each entry holds the hash of the one before it, so that an entry that is changed, removed or put in later is found by
`catalog-keys audit`. Somebody who can write to Redis could still make a whole new chain. Therefore each entry also goes
to the log of the process, with its hash, and the hash of the newest one can be kept elsewhere and compared.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from redis import Redis

from shared.redis_access import PREFIX, in_bytes, now

log = logging.getLogger(__name__)

_LOG = f"{PREFIX}admin-log"
_FIRST = "0" * 64
"""Stands for the hash of the entry before the first one."""
_PAGE = 500


class AdminAct(StrEnum):
    """What an administrator did."""

    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    MODEL_PROMOTED = "model.promoted"
    MODEL_ROLLED_BACK = "model.rolled_back"


class BrokenLogError(RuntimeError):
    """The log was changed after it was written; the message names the first entry that does not fit."""


@dataclass(frozen=True)
class AdminEntry:
    """One entry of the log."""

    number: int
    """From 1."""
    at: datetime
    act: str
    """An `AdminAct`, or one that a newer release has added."""
    by: str
    """Tenant and key id, a training, or the account that ran a command."""
    facts: Mapping[str, str]
    """What was changed, by name."""
    hash: str
    """SHA-256, in hex digits, of the entry and of the hash before it."""


class AdminLog:
    """The log in Redis, an append-only list with a JSON document per entry."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = in_bytes(redis)

    def record(
        self, act: AdminAct, by: str, facts: Mapping[str, str], also: Callable[[Any], None] | None = None
    ) -> AdminEntry:
        """Append an entry.

        Args:
            also: Adds commands to the same transaction, so that an act in Redis and its entry cannot be parted.
        """

        def append(pipe: Any) -> AdminEntry:
            newest = pipe.lindex(_LOG, -1)
            before = _FIRST if newest is None else json.loads(newest)["hash"]
            content = {
                "number": pipe.llen(_LOG) + 1,
                "at": datetime.fromtimestamp(now(pipe), UTC).isoformat(),
                "act": act.value,
                "by": by,
                "facts": dict(facts),
            }
            packed = json.dumps({**content, "hash": _hash(before, content)})
            pipe.multi()
            pipe.rpush(_LOG, packed)
            if also is not None:
                also(pipe)
            return _read(json.loads(packed))

        entry: AdminEntry = self._redis.transaction(append, _LOG, value_from_callable=True)
        log.info("%s by %s: %s (entry %d, hash %s)", act.value, by, _told(facts), entry.number, entry.hash)
        return entry

    def entries(self) -> Iterator[AdminEntry]:
        """Yield all entries, the oldest first, and check each against the one before it.

        Raises:
            BrokenLogError: An entry does not fit; those before it have been yielded.
        """
        before, number = _FIRST, 0
        while page := self._redis.lrange(_LOG, number, number + _PAGE - 1):
            for packed in page:
                number += 1
                entry = _checked(packed, number, before)
                before = entry.hash
                yield entry


def _checked(packed: bytes, number: int, before: str) -> AdminEntry:
    problem = f"entry {number} of the administrative log was changed, or an entry before it was removed or put in"
    try:
        content = json.loads(packed)
        claimed = content.pop("hash")
        if content["number"] != number or claimed != _hash(before, content):
            raise BrokenLogError(problem)
        return _read({**content, "hash": claimed})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrokenLogError(problem) from error


def _read(content: Mapping[str, Any]) -> AdminEntry:
    return AdminEntry(
        number=content["number"],
        at=datetime.fromisoformat(content["at"]),
        act=content["act"],
        by=content["by"],
        facts=content["facts"],
        hash=content["hash"],
    )


def _hash(before: str, content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{before}\n{canonical}".encode()).hexdigest()


def _told(facts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value!r}" for name, value in facts.items())
