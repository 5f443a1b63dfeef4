"""Who may read `/metrics`, also while Redis, which holds the keys, is unreachable: metrics are needed most then."""

import hashlib
import time
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, SecurityScopes
from redis import RedisError

from api.access.authentication import KeyStoreDep, Principal, RateLimitsDep, authenticate, bearer
from api.access.sessions import SessionsDep
from api.http.problems import Problem
from shared.tenants.api_keys import Scope

_REMEMBERED_S = 3600


class Observers:
    """Hashes of the keys that were valid within the last hour; enough to be shown this process's own metrics."""

    def __init__(self) -> None:
        self._until: dict[bytes, float] = {}

    def remember(self, credentials: HTTPAuthorizationCredentials) -> None:
        self._until[_hash(credentials)] = time.monotonic() + _REMEMBERED_S

    def forget(self, credentials: HTTPAuthorizationCredentials) -> None:
        self._until.pop(_hash(credentials), None)

    def knows(self, credentials: HTTPAuthorizationCredentials) -> bool:
        return time.monotonic() < self._until.get(_hash(credentials), 0)


def observe(
    request: Request,
    keys: KeyStoreDep,
    rate_limits: RateLimitsDep,
    sessions: SessionsDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
    needed: SecurityScopes,
) -> Principal | None:
    """Return the caller, or `None` for a remembered one while Redis is unreachable; raises as `authenticate` does."""
    observers: Observers = request.app.state.observers
    try:
        principal = authenticate(request, keys, rate_limits, sessions, credentials, needed)
    except RedisError:
        if credentials is not None and observers.knows(credentials):
            return None
        raise
    except Problem:
        if credentials is not None:
            observers.forget(credentials)
        raise
    if credentials is not None:
        observers.remember(credentials)
    return principal


Observer = Annotated[Principal | None, Security(observe, scopes=[Scope.OBSERVE])]


def _hash(credentials: HTTPAuthorizationCredentials) -> bytes:
    return hashlib.sha256(credentials.credentials.encode()).digest()
