"""Who is calling, and what they may do.

A caller shows an API key. While none has been made, the service is for its own machine: callers there act as the tenant
`local`, everybody else is refused.
"""

import logging
import re
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated, Any

from fastapi import FastAPI, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from redis import RedisError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from api.access.rate_limits import RateLimits, Standing
from api.dependencies import service
from api.http.problems import Problem
from shared.tenants.api_keys import KeyStore, Scope
from shared.tenants.local import LOCAL_TENANT

log = logging.getLogger(__name__)

_HOW_TO_CREATE = "catalog-keys create --tenant NAME --scope classify"
_PROXY_HEADERS = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
_LOOPBACK = r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?"
_LOOPBACK_HOST = re.compile(_LOOPBACK, re.IGNORECASE)
_LOOPBACK_ORIGIN = re.compile("https?://" + _LOOPBACK, re.IGNORECASE)

bearer = HTTPBearer(
    scheme_name="ApiKey",
    bearerFormat="cat_<id>_<secret>",
    description=f"An API key, made with `{_HOW_TO_CREATE}`. Without any, only callers on the API's machine are served.",
    auto_error=False,
)


@dataclass(frozen=True)
class Principal:
    """Who is calling."""

    tenant: str
    scopes: frozenset[Scope]
    key_id: str | None
    """`None`: a caller on this machine, while there is no key at all."""


KeyStoreDep = Annotated[KeyStore, service(lambda stores: KeyStore(stores.redis))]
RateLimitsDep = Annotated[RateLimits, service(lambda stores: RateLimits(stores.redis, stores.settings.rate_limit))]


# The dependencies are plain functions, because Redis is asked: FastAPI runs them in a thread.


def authenticate(
    request: Request,
    keys: KeyStoreDep,
    rate_limits: RateLimitsDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
    needed: SecurityScopes,
) -> Principal:
    """The caller, who has all the scopes that the route needs.

    Raises:
        Problem: 401 without a valid key, 403 where it lacks a scope or (without any key) the caller is elsewhere,
            429 past the limit.
    """
    principal = _identify(request, keys, rate_limits, credentials)
    for scope in needed.scopes:
        if scope not in principal.scopes:
            detail = f"This needs a key with the scope {scope}; yours has {', '.join(sorted(principal.scopes))}."
            raise Problem(HTTPStatus.FORBIDDEN, "forbidden", detail, scope=scope)
    return principal


def recognise(
    request: Request,
    keys: KeyStoreDep,
    rate_limits: RateLimitsDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
) -> Principal | None:
    """The caller where it can be known, for a route that is open to all; raises `Problem` (429) past the limit."""
    try:
        return _identify(request, keys, rate_limits, credentials)
    except RedisError:
        return None
    except Problem as problem:
        if problem.status is HTTPStatus.TOO_MANY_REQUESTS:
            raise
        return None


AnyCaller = Annotated[Principal, Security(authenticate)]
ClassifyCaller = Annotated[Principal, Security(authenticate, scopes=[Scope.CLASSIFY])]
TrainCaller = Annotated[Principal, Security(authenticate, scopes=[Scope.TRAIN])]
AdminCaller = Annotated[Principal, Security(authenticate, scopes=[Scope.ADMIN])]
ObserveCaller = Annotated[Principal, Security(authenticate, scopes=[Scope.OBSERVE])]
OptionalCaller = Annotated[Principal | None, Security(recognise)]

KEY_IS_OPTIONAL: dict[str, Any] = {"security": [{}]}
"""`openapi_extra` of a route with an `OptionalCaller`: FastAPI cannot tell that its key may be left out."""


def announce_access(keys: KeyStore) -> None:
    """Tell the log where the service is open without a key; a Redis that is away is no error here."""
    try:
        configured = keys.configured()
    except RedisError as error:
        log.warning("Redis cannot be reached, so whether there are API keys is not known yet: %s", error)
        return
    if not configured:
        log.warning(
            "no API key is configured: only callers on this machine are served, as tenant %r; create one with %s",
            LOCAL_TENANT,
            _HOW_TO_CREATE,
        )


def install(app: FastAPI) -> None:
    """Make every answer to a caller with a key say what is left of its rate limit."""
    app.add_middleware(_RateLimitHeaders)


def _identify(
    request: Request, keys: KeyStore, rate_limits: RateLimits, credentials: HTTPAuthorizationCredentials | None
) -> Principal:
    if "authorization" in request.headers:
        return _key_holder(request, keys, rate_limits, credentials)
    if keys.configured():
        raise _unauthorized("This needs an API key, as the header 'Authorization: Bearer <key>'.")
    if not _on_this_machine(request):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "loopback-only",
            "No API key is configured, so only callers on the API's own machine are served, and not through a proxy. "
            f"Create a key there with: {_HOW_TO_CREATE}",
        )
    return Principal(LOCAL_TENANT, frozenset(Scope), None)


def _key_holder(
    request: Request, keys: KeyStore, rate_limits: RateLimits, credentials: HTTPAuthorizationCredentials | None
) -> Principal:
    """Raises `Problem`: 401 for a wrong key, 429 past the limit of the key or of wrong ones from one address.

    A valid key is served however many wrong ones came from the same address: else anybody behind the same proxy could
    lock others out, and 256 random bits are not guessed.
    """
    key = keys.find(credentials.credentials) if credentials else None
    if key is None:
        standing = rate_limits.failure(request.client.host if request.client else "")
        if not standing.allowed:
            raise _rate_limited(standing, "Too many requests with a wrong key came from this address")
        raise _unauthorized("The key is not valid: mistyped, revoked, or not of this service.")
    standing = rate_limits.request(key.id)
    request.state.rate_limit = standing
    if not standing.allowed:
        limit = f"{standing.limit.amount:,} requests in {standing.limit.get_expiry():,} s"
        raise _rate_limited(standing, f"This key is good for {limit}")
    return Principal(key.tenant, key.scopes, key.id)


def _unauthorized(detail: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


def _rate_limited(standing: Standing, why: str) -> Problem:
    detail = f"{why}: try again in {standing.reset_s} s."
    headers = {"Retry-After": str(standing.reset_s)}
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, "rate-limited", detail, headers=headers)


def _on_this_machine(request: Request) -> bool:
    """Neither through a reverse proxy on it, nor from a foreign web page in a browser on it.

    Such a page reaches the loopback under a name of its own (DNS rebinding), which `Host` shows, or sends a form across
    origins, which `Origin` shows.
    """
    headers = request.headers
    return (
        request.client is not None
        and _is_loopback(request.client.host)
        and not any(name in headers for name in _PROXY_HEADERS)
        and _LOOPBACK_HOST.fullmatch(headers.get("host", "")) is not None
        and ("origin" not in headers or _LOOPBACK_ORIGIN.fullmatch(headers["origin"]) is not None)
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class _RateLimitHeaders:
    """Headers set on FastAPI's `Response` would be lost where a route returns a response of its own, or raises."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def send_with_headers(message: Message) -> None:
            standing: Standing | None = state.get("rate_limit")
            if standing is not None and message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(standing.headers())
            await send(message)

        await self._app(scope, receive, send_with_headers)
