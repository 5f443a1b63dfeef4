"""What is fitted to tenants' decisions for categories that no training knows yet: made again if Redis loses it."""

import hashlib
from typing import NamedTuple

from redis import Redis

from shared import redis_access
from shared.ledger.scripts import LATEST_DECISIONS
from shared.redis_access import PREFIX, in_bytes


class FittedColumns(NamedTuple):
    """When, and to what, a tenant's columns were fitted."""

    basis: str
    """Names all that they were fitted to."""
    at: float
    """In seconds since 1970 by Redis's clock."""


class ProvisionalColumns:
    """The columns of each tenant, as bytes: their form is the business of those that write and read them."""

    LARGEST = 256 * 1024
    """Bytes of a tenant's columns."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)

    def now(self) -> float:
        """Return the seconds since 1970 by Redis's clock."""
        return redis_access.now(self._redis)

    def deciding(self) -> dict[str, str]:
        """Return the tenants whose people have decided anything, each with the file of decisions that counts last."""
        latest = self._redis.hgetall(LATEST_DECISIONS)
        return {tenant.decode(): file.decode() for tenant, file in latest.items()}

    def fitted(self, tenant: str) -> FittedColumns | None:
        """Return what the tenant's columns were fitted to; `None` if that is not known."""
        basis, at = self._redis.hmget(_key(tenant), ["basis", "at"])
        return None if basis is None or at is None else FittedColumns(basis.decode(), float(at))

    def put(self, tenant: str, fitted: FittedColumns, columns: bytes) -> None:
        """Let these be the tenant's columns.

        Args:
            columns: Up to `LARGEST` bytes; b"" for none, which is remembered, too.

        Raises:
            ValueError: These are more bytes.
        """
        if len(columns) > self.LARGEST:
            raise ValueError(f"{len(columns)} bytes of columns, where {self.LARGEST} are the most")
        version = hashlib.blake2b(columns, digest_size=8).hexdigest() if columns else ""
        facts = {"basis": fitted.basis, "at": repr(fitted.at), "version": version, "columns": columns}
        self._redis.hset(_key(tenant), mapping=facts)

    def version(self, tenant: str) -> str:
        """Return what names the tenant's columns; "" if there are none."""
        return (self._redis.hget(_key(tenant), "version") or b"").decode()

    def read(self, tenant: str) -> tuple[str, bytes]:
        """Return the version and the columns, as they are at one moment."""
        version, columns = self._redis.hmget(_key(tenant), ["version", "columns"])
        return (version or b"").decode(), columns or b""


def _key(tenant: str) -> str:
    return f"{PREFIX}provisional:{tenant}"
