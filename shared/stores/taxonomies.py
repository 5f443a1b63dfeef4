"""The taxonomies that somebody has put: an append-only history beside the labels, and a copy of the latest in Redis.

taxonomies/<number>-<digest>.json    in the label store: a file per accepted taxonomy, never changed

The files are the truth. Processes follow the copy of the latest in Redis (keys below `catalog:taxonomy:`). The API,
whose label store it is, makes it again from the files when Redis was emptied; workers, which may have no store or
another one, only read it:

    version    the number of the latest taxonomy; 0, for a while, if there is none
    latest     the latest taxonomy's file, compressed
    claim      the put that is under way
    numbers    the highest number that a put was given: one that failed leaves a gap
"""

import json
import logging
import re
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from redis import Redis, RedisError

from shared.redis_access import PREFIX, LuaScripts, in_bytes, now
from shared.stores.files import Files
from shared.taxonomy import Taxonomy, TaxonomyError
from shared.taxonomy.writing import digest, from_json, rows

log = logging.getLogger(__name__)

_PREFIX = f"{PREFIX}taxonomy:"
_VERSION, _LATEST = f"{_PREFIX}version", f"{_PREFIX}latest"
_CLAIM, _NUMBERS = f"{_PREFIX}claim", f"{_PREFIX}numbers"
_CLAIM_S = 60
"""How long a put may take until another one may begin; the file store gives up earlier."""
_NONE_KEPT_S = 60
"""How long it is believed that the store has no taxonomy: a process may have looked before the store was there."""
_NAME = re.compile(r"(\d{8})-([0-9a-f]{16})\.json")
_READ_AGAIN = 512
"""Entries of the history that a process keeps; their files never change."""
_SCRIPTS = LuaScripts(Path(__file__).parent / "lua")


class OtherTaxonomyError(RuntimeError):
    """Another taxonomy is in force than the one that was to be replaced, or is being put at this moment."""


class UnreadableTaxonomyError(OSError):
    """A file of the history is damaged; the message names it."""


@dataclass(frozen=True)
class Acceptance:
    """When, from whom, and with which changes a taxonomy was accepted."""

    number: int
    """From 1, growing; a put that failed leaves a gap."""
    at: datetime
    tenant: str
    key: str | None
    """The id of the API key; `None` for a caller on this machine while no key exists."""
    digest: str
    replaces: int
    """The number of the taxonomy before; 0 if that was the one of the bundle in service."""
    changes: Mapping[str, int]
    """How many categories changed in each way (`shared.taxonomy.changes.CategoryChangeKind`)."""


@dataclass(frozen=True)
class TaxonomyVersion:
    """A taxonomy that was put."""

    acceptance: Acceptance
    taxonomy: Taxonomy

    @property
    def number(self) -> int:
        return self.acceptance.number


class TaxonomyStore:
    """The files. Args: labels_url: The label store's folder as any fsspec URL.

    Raises in each method:
        OSError: The store cannot be reached, or a file of it cannot be read (`UnreadableTaxonomyError`).
    """

    def __init__(self, labels_url: str) -> None:
        self._files = Files(labels_url.rstrip("/"))
        self._folder = f"{self._files.root}/taxonomies"
        self._acceptance = lru_cache(_READ_AGAIN)(lambda name: self.read(name).acceptance)

    def names(self) -> dict[int, str]:
        """Return the names of all files by number, the latest last."""
        found = sorted(name for name in self._files.names(self._folder) if _NAME.fullmatch(name))
        return {int(name.partition("-")[0]): name for name in found}

    def latest(self) -> TaxonomyVersion | None:
        """Return the taxonomy that was put last; `None` if none ever was."""
        names = self.names()
        return self.read(names[max(names)]) if names else None

    def content(self, name: str) -> bytes:
        return self._files.read(f"{self._folder}/{name}")

    def read(self, name: str) -> TaxonomyVersion:
        return parsed(self.content(name), name)

    def acceptance(self, name: str) -> Acceptance:
        """Return when and by whom this file was put; a file that was read before is not read again."""
        return self._acceptance(name)

    def write(self, version: TaxonomyVersion) -> bytes:
        """Write a new file, whole or not at all; return its content."""
        content = _written(version)
        acceptance = version.acceptance
        self._files.write(f"{self._folder}/{acceptance.number:08d}-{acceptance.digest}.json", content)
        return content


class LatestTaxonomy:
    """The latest taxonomy as Redis has it, for processes that have no part in the history."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)
        self._known: TaxonomyVersion | None = None

    def read(self) -> TaxonomyVersion | None:
        """Return the latest taxonomy; `None` if none was ever put. It is cheap to ask again.

        While Redis says nothing of it, it is the one that this process knew last.

        Raises:
            UnreadableTaxonomyError: the copy in Redis is damaged.
            RedisError: Redis cannot be reached.
        """
        return self.numbered(self._redis.get(_VERSION))

    def numbered(self, number: bytes | None) -> TaxonomyVersion | None:
        """Return the same, where it has been read already what Redis has as its number."""
        if number is None:
            return self._known
        known = self._known
        if not int(number):
            known = None
        elif known is None or known.number != int(number):
            content = self._redis.get(_LATEST)
            known = None if content is None else parsed(zlib.decompress(content), _LATEST)
        self._known = known
        return known


class Taxonomies:
    """The history, and its latest taxonomy as all processes see it: for the API, which owns the store.

    Args:
        labels_url: As for `TaxonomyStore`.
    """

    def __init__(self, redis: Redis, labels_url: str) -> None:
        self._redis = in_bytes(redis)
        self._store = TaxonomyStore(labels_url)
        self._latest = LatestTaxonomy(redis)
        self._claim = _SCRIPTS.load(redis, "claim_taxonomy")
        self._commit = _SCRIPTS.load(redis, "commit_taxonomy")
        self._adopt = _SCRIPTS.load(redis, "adopt_taxonomy")

    def latest(self) -> TaxonomyVersion | None:
        """Return the latest taxonomy; `None` if none was ever put. It is cheap to ask again.

        While neither Redis nor the store has it, it is the one that this process knew last.

        Raises:
            RedisError: Redis cannot be reached.
        """
        number = self._redis.get(_VERSION)
        if number is None:
            try:
                self._catch_up()
            except OSError as error:
                log.warning("the history of the taxonomy cannot be read: %s", error)
            number = self._redis.get(_VERSION)
        return self._latest.numbered(number)

    def restore(self) -> None:
        """Make the copy in Redis again if it is gone, for workers that start before anybody asks for the taxonomy."""
        try:
            self.latest()
        except (RedisError, OSError) as error:
            log.warning("the latest taxonomy could not be copied into Redis: %s", error)

    def put(
        self, taxonomy: Taxonomy, *, replaces: int, tenant: str, key: str | None, changes: Mapping[str, int]
    ) -> TaxonomyVersion:
        """Let the taxonomy be in force, in the place of the one with the number `replaces` (0: of a bundle).

        Of several puts that replace the same one, only one succeeds.

        Raises:
            OtherTaxonomyError: another taxonomy is in force, or is being put.
            OSError: it cannot be stored; it may have been, and is in force then once the store answers again.
            RedisError: Redis cannot be reached; the same is true then.
        """
        self._catch_up()
        token = secrets.token_hex(12)
        number = int(self._claim(keys=[_VERSION, _CLAIM, _NUMBERS], args=[replaces, token, _CLAIM_S]))
        if not number:
            raise OtherTaxonomyError
        at = datetime.fromtimestamp(now(self._redis), UTC)
        acceptance = Acceptance(number, at, tenant, key, digest(taxonomy), replaces, dict(changes))
        version = TaxonomyVersion(acceptance, taxonomy)
        try:
            content = zlib.compress(self._store.write(version))
        except BaseException:
            self._redis.delete(_CLAIM)
            raise
        if not self._commit(keys=[_VERSION, _CLAIM, _LATEST], args=[replaces, token, number, content]):
            raise OtherTaxonomyError
        return version

    def history(self, before: int | None, limit: int) -> tuple[list[Acceptance], int | None]:
        """Return a page of accepted taxonomies, the latest first, and where the next page begins (`None`: nowhere).

        Args:
            before: Where the page begins, as the page before told; `None` for the first page.

        Raises:
            OSError: the store cannot be reached.
        """
        names = self._store.names()
        if before is None:
            latest = self.latest()
            before = latest.number if latest is not None else 0
        found: list[Acceptance] = []
        while before in names and len(found) < limit:
            found.append(self._store.acceptance(names[before]))
            before = found[-1].replaces
        return found, before if before in names else None

    def _catch_up(self) -> None:
        """Bring the copy in Redis up to date with the files; raises `OSError`, `RedisError`."""
        names = self._store.names()
        number, content = max(names, default=0), b""
        if number:
            held = self._redis.get(_VERSION)
            if held is not None and int(held) >= number:
                return
            content = self._store.content(names[number])
            parsed(content, names[number])
        self._adopt(keys=[_VERSION, _LATEST], args=[number, zlib.compress(content), _NONE_KEPT_S])


def parsed(content: bytes, name: str) -> TaxonomyVersion:
    """Read a file of the history; raises `UnreadableTaxonomyError`."""
    try:
        facts: dict[str, Any] = json.loads(content)["accepted"]
        known = {field.name: facts[field.name] for field in fields(Acceptance)}  # a later release may have added others
        acceptance = Acceptance(**{**known, "at": datetime.fromisoformat(facts["at"])})
        return TaxonomyVersion(acceptance, from_json(content))
    except (ValueError, KeyError, TypeError, TaxonomyError) as error:
        raise UnreadableTaxonomyError(f"{name} is no taxonomy that was put: {error}") from error


def _written(version: TaxonomyVersion) -> bytes:
    accepted = asdict(version.acceptance) | {"at": version.acceptance.at.isoformat()}
    document = {"accepted": accepted, "categories": list(rows(version.taxonomy))}
    return json.dumps(document, ensure_ascii=False, indent=1).encode()
