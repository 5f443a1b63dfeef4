"""API keys: who may call, and for which tenant. Redis holds only a hash of each secret."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from redis import Redis

from shared.redis_access import PREFIX, in_bytes, in_seconds
from shared.tenants.admin_log import AdminAct, AdminLog
from shared.tenants.local import LOCAL_TENANT

_PREFIX = f"{PREFIX}key:"
_ALL = f"{_PREFIX}ids"
_ID = re.compile("[0-9a-f]{16}")
_TEXT = re.compile("cat_([0-9a-f]{16})_([0-9a-f]{64})")
_TENANT = re.compile("[a-z0-9][a-z0-9-]{0,39}")
_LONGEST_NAME = 100


class Scope(StrEnum):
    """What a key may be used for."""

    CLASSIFY = "classify"
    TRAIN = "train"
    ADMIN = "admin"
    OBSERVE = "observe"
    """Read figures over all tenants: drift and metrics."""
    REVIEW = "review"
    """See jobs, items and results, and decide about them."""


_LATER_SCOPES = frozenset({Scope.REVIEW})
"""Kept in a field of their own: processes of the release before cannot read a key if they do not know one of these."""


class KeyNotFoundError(LookupError):
    """No key has this id."""


class KeyEndedError(Exception):
    """The key was right, but has ended; the message, which is for the key's holder, says when."""

    def __init__(self, key: "ApiKey") -> None:
        super().__init__(f"The API key ended at {key.expires_at:%Y-%m-%dT%H:%M:%SZ}: ask the operator for a new one.")
        self.key = key


@dataclass(frozen=True)
class ApiKey:
    """An API key without its secret."""

    id: str
    tenant: str
    scopes: frozenset[Scope]
    name: str
    created_at: datetime
    revoked_at: datetime | None = None
    expires_at: datetime | None = None
    """From when on the key is refused, by Redis' clock; `None`: it has no end."""

    def ended(self, at: datetime) -> bool:
        """Whether the key's end is no later than `at`."""
        return self.expires_at is not None and self.expires_at <= at

    def valid(self, at: datetime) -> bool:
        """Whether the key is neither revoked nor ended."""
        return self.revoked_at is None and not self.ended(at)


class KeyStore:
    """Keys in Redis, each `cat_<id>_<secret>`.

    A secret has 256 random bits, so that a plain SHA-256 of it cannot be reversed and a slow hash would gain nothing.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)
        self._log = AdminLog(redis)

    def create(
        self,
        tenant: str,
        scopes: Collection[Scope],
        name: str = "",
        *,
        by: str = "unknown",
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """Create a key; return it with its text, which cannot be recovered later.

        Args:
            by: Who creates it, for the administrative log.
            expires_at: From when on it is refused, in UTC.

        Raises:
            ValueError: The tenant or the name is invalid, there is no scope, or the end is not in the future.
        """
        _check(tenant, scopes, name)
        key = ApiKey(secrets.token_hex(8), tenant, frozenset(scopes), name, datetime.now(UTC), expires_at=expires_at)
        if key.ended(self.now()):
            raise ValueError(f"the key's end, {expires_at:%Y-%m-%d %H:%M:%S} UTC, is not in the future")
        secret = secrets.token_hex(32)
        fields = {
            "tenant": tenant,
            "scopes": _written(key.scopes - _LATER_SCOPES),
            "later_scopes": _written(key.scopes & _LATER_SCOPES),
            "name": name,
            "created_at": key.created_at.isoformat(),
            "digest": _digest(secret),
        }
        end = {"expires_at": expires_at.isoformat()} if expires_at else {}

        def store(pipe: Any) -> None:
            pipe.hset(_PREFIX + key.id, mapping=fields | end)
            pipe.sadd(_ALL, key.id)

        facts = {"key": key.id, "tenant": tenant, "scopes": _written(key.scopes), "name": name} | end
        self._log.record(AdminAct.KEY_CREATED, by, facts, also=store)
        return key, f"cat_{key.id}_{secret}"

    def revoke(self, identifier: str, *, by: str = "unknown") -> ApiKey:
        """Revoke the key. It is marked, not deleted, so that an API that once had keys stays closed.

        Args:
            by: Who revokes it, for the administrative log.

        Raises:
            KeyNotFoundError: There is no such key.
        """
        if not _ID.fullmatch(identifier) or not self._redis.sismember(_ALL, identifier):
            raise KeyNotFoundError(f"there is no key with the id {identifier!r}")
        key = self._stored(identifier)
        if key.revoked_at:
            return key
        moment = datetime.now(UTC).isoformat()
        self._log.record(
            AdminAct.KEY_REVOKED,
            by,
            {"key": key.id, "tenant": key.tenant},
            also=lambda pipe: pipe.hsetnx(_PREFIX + identifier, "revoked_at", moment),
        )
        return self._stored(identifier)

    def count(self) -> int:
        """Return the number of keys, including revoked ones."""
        return self._redis.scard(_ALL)

    def list(self) -> Sequence[ApiKey]:
        """Return all keys, including revoked ones, oldest first."""
        identifiers = [member.decode() for member in self._redis.smembers(_ALL)]
        with self._redis.pipeline(transaction=False) as pipe:
            for identifier in identifiers:
                pipe.hgetall(_PREFIX + identifier)
            found = pipe.execute()
        keys = [_read(identifier, _decoded(fields)) for identifier, fields in zip(identifiers, found, strict=True)]
        return sorted(keys, key=lambda key: (key.created_at, key.id))

    def valid(self) -> Sequence[ApiKey]:
        """Return the keys that are neither revoked nor ended, oldest first."""
        moment = self.now()
        return [key for key in self.list() if key.valid(moment)]

    def now(self) -> datetime:
        """Return the time by Redis' clock, which decides when a key ends."""
        return _moment(self._redis.time())

    def find(self, text: str) -> ApiKey | None:
        """Return the key with this text; `None` if it is revoked, or if the text is not a key.

        Raises:
            KeyEndedError: It is the text of a key that has ended.
        """
        match = _TEXT.fullmatch(text)  # a client's text must not lead to another key in Redis
        if match is None:
            return None
        identifier, secret = match.groups()
        with self._redis.pipeline(transaction=False) as pipe:
            found, time = pipe.hgetall(_PREFIX + identifier).time().execute()
        fields = _decoded(found)
        if not hmac.compare_digest(fields.get("digest", ""), _digest(secret)):
            return None
        key = _read(identifier, fields)
        if key.revoked_at:
            return None
        if key.ended(_moment(time)):
            raise KeyEndedError(key)
        return key

    def valid_key(self, identifier: str) -> ApiKey | None:
        """Return the key with this id; `None` if it is revoked or has ended, or if there is none."""
        with self._redis.pipeline(transaction=False) as pipe:
            fields, time = pipe.hgetall(_PREFIX + identifier).time().execute()
        key = _read(identifier, _decoded(fields)) if fields else None
        return key if key is not None and key.valid(_moment(time)) else None

    def refused(self, identifiers: Collection[str]) -> set[str]:
        """Return which of the keys with these ids are no longer valid, in one round trip."""
        with self._redis.pipeline(transaction=False) as pipe:
            for identifier in identifiers:
                pipe.hgetall(_PREFIX + identifier)
            *found, time = pipe.time().execute()
        moment = _moment(time)
        return {
            identifier
            for identifier, fields in zip(identifiers, found, strict=True)
            if not fields or not _read(identifier, _decoded(fields)).valid(moment)
        }

    def _stored(self, identifier: str) -> ApiKey:
        return _read(identifier, _decoded(self._redis.hgetall(_PREFIX + identifier)))

    def configured(self) -> bool:
        """Whether there has ever been a key."""
        return bool(self._redis.exists(_ALL))


def _check(tenant: str, scopes: Collection[Scope], name: str) -> None:
    if not _TENANT.fullmatch(tenant):
        raise ValueError(
            f"{tenant!r} cannot name a tenant: use up to 40 lower-case letters, digits and dashes, no dash in front"
        )
    if tenant == LOCAL_TENANT:
        raise ValueError(f"the tenant {LOCAL_TENANT!r} is for callers without a key: choose another name")
    if not scopes:
        raise ValueError(f"a key needs at least one scope of {', '.join(Scope)}")
    if len(name) > _LONGEST_NAME or not name.isprintable():  # it is shown on terminals
        raise ValueError(f"a key's name has up to {_LONGEST_NAME} printable characters")


def _written(scopes: Collection[Scope]) -> str:
    return " ".join(sorted(scopes))


def _scopes(written: str) -> frozenset[Scope]:
    """Return the scopes that this release knows."""
    known = {scope.value for scope in Scope}
    return frozenset(Scope(name) for name in written.split() if name in known)


def _moment(time: tuple[int, int]) -> datetime:
    return datetime.fromtimestamp(in_seconds(time), UTC)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _decoded(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in fields.items()}


def _read(identifier: str, fields: Mapping[str, str]) -> ApiKey:
    revoked_at, expires_at = fields.get("revoked_at"), fields.get("expires_at")
    return ApiKey(
        id=identifier,
        tenant=fields["tenant"],
        scopes=_scopes(fields["scopes"]) | _scopes(fields.get("later_scopes", "")),
        name=fields["name"],
        created_at=datetime.fromisoformat(fields["created_at"]),
        revoked_at=datetime.fromisoformat(revoked_at) if revoked_at else None,
        expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
    )
