"""Who is calling, and what they may do.

A caller sends an API key; the console's pages send the cookie of a session that was begun with one. As long as no key
has ever been created, only callers on the API's own machine are served, as the tenant `local`; all others are refused.
"""

import hmac
import logging
import re
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from redis import RedisError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from api.access.rate_limits import RateLimits, RateLimitStatus
from api.access.sessions import CSRF_HEADER, SessionsDep, is_same_site, token_of
from api.dependencies import service
from api.http.problems import Problem
from shared.telemetry import logs
from shared.tenants.api_keys import ApiKey, KeyEndedError, KeyStore, Scope
from shared.tenants.local import LOCAL_TENANT
from shared.tenants.sessions import Session, SessionStore

log = logging.getLogger(__name__)

_HOW_TO_CREATE = "catalog-keys create --tenant NAME --scope classify"
_PROXY_HEADER = re.compile(
    r".*forwarded.*|.*-ip|.*clientip|.*-ip-.*|via|x-proxy.*|x-original-.*|x-envoy-.*|cf-.*|cdn-loop|x-amz-cf-id|"
    r"x-amzn-trace-id|x-cloud-trace-context|x-azure-.*|x-arr-.*|x-vercel-.*|x-varnish|x-scheme|front-end-https"
)
"""What proxies, load balancers and content delivery networks add to a request that they pass on, in lower case."""
_SHOWN_PATH = 200
_READING = ("GET", "HEAD")
_LOOPBACK = r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?"
_LOOPBACK_HOST = re.compile(_LOOPBACK, re.IGNORECASE)
_LOOPBACK_ORIGIN = re.compile("https?://" + _LOOPBACK, re.IGNORECASE)

_WIDER: dict[str, Scope] = {Scope.REVIEW: Scope.CLASSIFY}
"""Scopes that allow all that another one does."""

bearer = HTTPBearer(
    scheme_name="ApiKey",
    bearerFormat="cat_<id>_<secret>",
    description=f"An API key, created with `{_HOW_TO_CREATE}`. While none exists, only callers on the API's machine "
    "are served.",
    auto_error=False,
)


@dataclass(frozen=True)
class Principal:
    """Who is calling."""

    tenant: str
    scopes: frozenset[Scope]
    key_id: str | None
    """`None`: a caller on this machine while no key exists."""
    session: Session | None = None
    """`None`: the key itself was sent."""

    @property
    def person(self) -> str:
        """Who decides, where a request does not name anybody."""
        return (self.session and self.session.person) or self.key_id or self.tenant

    def may(self, scope: str) -> bool:
        """Whether the caller's scopes allow what this one allows."""
        return scope in self.scopes or _WIDER.get(scope) in self.scopes

    @property
    def sees_all_tenants(self) -> bool:
        """Whether the caller may be shown what other tenants do."""
        return not self.scopes.isdisjoint({Scope.ADMIN, Scope.OBSERVE})


KeyStoreDep = Annotated[KeyStore, service(lambda stores: KeyStore(stores.redis))]
RateLimitsDep = Annotated[RateLimits, service(lambda stores: RateLimits(stores.redis, stores.settings.rate_limit))]


# The dependencies are plain functions, which FastAPI runs in a thread, because they wait for Redis.


def authenticate(
    request: Request,
    keys: KeyStoreDep,
    rate_limits: RateLimitsDep,
    sessions: SessionsDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
    needed: SecurityScopes,
) -> Principal:
    """Return the caller, who has all the scopes that the route needs, or wider ones.

    Raises:
        Problem: 401 without a valid key; 403 if the key lacks a scope or, while no key exists, the caller is on another
            machine; 429 over the rate limit.
    """
    principal = _identify(request, keys, rate_limits, sessions, credentials)
    request.state.caller = principal.key_id or principal.tenant
    for scope in needed.scopes:
        if not principal.may(scope):
            raise _lacking(request, principal, scope, " or ".join(filter(None, [scope, _WIDER.get(scope)])))
    return principal


def _lacking(request: Request, principal: Principal, scope: str, enough: str) -> Problem:
    """The refusal of a caller whose key lacks a scope."""
    _log_refusal(request, f"the key {principal.key_id} of {principal.tenant} lacks the scope {scope}")
    detail = f"This request needs a key with the scope {enough}; yours has {', '.join(sorted(principal.scopes))}."
    return Problem(HTTPStatus.FORBIDDEN, "forbidden", detail, scope=scope)


def recognise(
    request: Request,
    keys: KeyStoreDep,
    rate_limits: RateLimitsDep,
    sessions: SessionsDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
) -> Principal | None:
    """Return the caller of a route that is open to all, if known; raises `Problem` (429) over the rate limit."""
    try:
        return _identify(request, keys, rate_limits, sessions, credentials)
    except RedisError:
        return None
    except Problem as problem:
        if problem.status is HTTPStatus.TOO_MANY_REQUESTS:
            raise
        return None


AnyCaller = Annotated[Principal, Security(authenticate)]
ClassifyCaller = Annotated[Principal, Security(authenticate, scopes=[Scope.CLASSIFY])]
ReviewCaller = Annotated[Principal, Security(authenticate, scopes=[Scope.REVIEW])]
"""With `classify` or `review`: it sees results."""


def _decider(request: Request, caller: ReviewCaller) -> Principal:
    """The caller, if the key has `review` itself: trainings learn decisions, which `classify` is not trusted with."""
    if Scope.REVIEW not in caller.scopes:
        raise _lacking(request, caller, Scope.REVIEW, Scope.REVIEW)
    return caller


DecideCaller = Annotated[Principal, Depends(_decider)]
TrainCaller = Annotated[Principal, Security(authenticate, scopes=[Scope.TRAIN])]
AdminCaller = Annotated[Principal, Security(authenticate, scopes=[Scope.ADMIN])]
ObserveCaller = Annotated[Principal, Security(authenticate, scopes=[Scope.OBSERVE])]
OptionalCaller = Annotated[Principal | None, Security(recognise)]

KEY_IS_OPTIONAL: dict[str, Any] = {"security": [{}]}
"""`openapi_extra` of a route with an `OptionalCaller`: FastAPI cannot see that the key is optional."""


def announce_access(keys: KeyStore) -> None:
    """Log a warning if the service is open without a key; does not fail while Redis is unreachable."""
    try:
        configured = keys.configured()
    except RedisError as error:
        log.warning("cannot tell whether API keys exist, because Redis cannot be reached: %s", error)
        return
    if not configured:
        log.warning(
            logs.in_red(
                "no API key exists: only callers on this machine are served, as tenant %r; every user and program here "
                "may do everything, and so may everybody whom a proxy here lets in unnoticed; create a key with: %s"
            ),
            LOCAL_TENANT,
            _HOW_TO_CREATE,
        )


def install(app: FastAPI) -> None:
    """Add what is left of the rate limit to every answer to a caller with a key."""
    app.add_middleware(_RateLimitHeaders)


def _identify(
    request: Request,
    keys: KeyStore,
    rate_limits: RateLimits,
    sessions: SessionStore,
    credentials: HTTPAuthorizationCredentials | None,
) -> Principal:
    if "authorization" in request.headers:
        return _key_holder(request, keys, rate_limits, credentials)
    if (token := token_of(request)) is not None and (principal := _signed_in(request, keys, sessions, token)):
        return _within_limits(request, rate_limits, principal)
    if keys.configured():
        _log_refusal(request, "no key was sent")
        raise _unauthorized("This request needs an API key, sent as the header 'Authorization: Bearer <key>'.")
    if not _on_this_machine(request):
        _log_refusal(request, "no key exists yet, and the caller is not on this machine")
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "loopback-only",
            "No API key exists yet, so only callers on the API's own machine are served: under the name "
            "localhost or a loopback address, neither through a proxy nor from another site's page in a browser. "
            f"Create a key there with: {_HOW_TO_CREATE}",
        )
    return Principal(LOCAL_TENANT, frozenset(Scope), None)


def _key_holder(
    request: Request, keys: KeyStore, rate_limits: RateLimits, credentials: HTTPAuthorizationCredentials | None
) -> Principal:
    """Return the caller with this key; raises `Problem`: 401 for a wrong or ended key, 429 over a limit.

    Wrong keys are limited by address. A valid key is served however many wrong ones came from the same address:
    otherwise anybody behind the same proxy could lock others out, and nobody guesses 256 random bits.
    """
    key = check_key(request, keys, rate_limits, credentials.credentials if credentials else "")
    return _within_limits(request, rate_limits, Principal(key.tenant, key.scopes, key.id))


def check_key(request: Request, keys: KeyStore, rate_limits: RateLimits, text: str) -> ApiKey:
    """Return the key with this text; raises `Problem`: 401 for a wrong or ended key, 429 after too many of these."""
    try:
        key = keys.find(text)
    except KeyEndedError as error:
        why = f"the key {error.key.id} of {error.key.tenant} has ended"
        raise _wrong_key(request, rate_limits, why, str(error)) from error
    if key is None:
        why = "mistyped, revoked or from another service"
        raise _wrong_key(request, rate_limits, f"the key is {why}", f"The API key is not valid: it is {why}.")
    return key


def _signed_in(request: Request, keys: KeyStore, sessions: SessionStore, token: str) -> Principal | None:
    """Return who has signed in, if the session lasts; raises `Problem` (403) for what another site may have sent."""
    session = sessions.find(token)
    key = None if session is None else keys.valid_key(session.key_id)
    if session is None or key is None:
        return None
    if request.method not in _READING and not _is_meant(request, session):
        _log_refusal(request, f"a request of the session of {key.id} lacks the session's token")
        detail = f"This request needs the header {CSRF_HEADER} with the token of the page: load the page again."
        raise Problem(HTTPStatus.FORBIDDEN, "csrf", detail)
    return Principal(key.tenant, key.scopes, key.id, session)


def _is_meant(request: Request, session: Session) -> bool:
    """Whether a page of ours sent the request: it repeats the session's token, in a header or in its form."""
    sent = getattr(request.state, "csrf", None) or request.headers.get(CSRF_HEADER, "")
    return is_same_site(request) and hmac.compare_digest(sent.encode(), session.csrf.encode())


def _within_limits(request: Request, rate_limits: RateLimits, principal: Principal) -> Principal:
    """Count the request; raises `Problem` (429) over the limit."""
    assert principal.key_id is not None  # noqa: S101
    # For the log, and for `revocation.py`, which looks whether the key is still valid while the request lasts.
    request.state.caller_ids = {"tenant": principal.tenant, "key": principal.key_id}
    status = rate_limits.request(principal.key_id)
    request.state.rate_limit = status
    if not status.allowed:
        _log_refusal(request, f"the key {principal.key_id} of {principal.tenant} is over its rate limit")
        limit = f"{status.limit.amount:,} requests in {status.limit.get_expiry():,} s"
        raise _rate_limited(status, f"This key is limited to {limit}")
    return principal


def _wrong_key(request: Request, rate_limits: RateLimits, why: str, detail: str) -> Problem:
    """Count the wrong key, and return the answer to it.

    Args:
        why: For the log.
        detail: For the caller.
    """
    status = rate_limits.failure(request.client.host if request.client else "")
    if not status.allowed:
        _log_refusal(request, "too many wrong keys came from this address")
        return _rate_limited(status, "Too many requests with a wrong key came from your address")
    _log_refusal(request, why)
    return _unauthorized(detail)


def _log_refusal(request: Request, why: str) -> None:
    """Make the refusal an event of its own in the log (ASVS 5.0, 16.3), with nothing of the key that was sent."""
    address = request.client.host if request.client else "an unknown address"
    method, path = request.method, request.url.path[:_SHOWN_PATH]
    fields = {"event": "access.refused", "client": address, "method": method, "path": path, "reason": why}
    log.warning("refused %s %r from %s: %s", method, path, address, why, extra={"fields": fields})


def _unauthorized(detail: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers={"WWW-Authenticate": "Bearer"})


def _rate_limited(status: RateLimitStatus, why: str) -> Problem:
    detail = f"{why}: try again in {status.reset_s} s."
    headers = {"Retry-After": str(status.reset_s)}
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, "rate-limited", detail, headers=headers)


def _on_this_machine(request: Request) -> bool:
    """Whether the caller is on this machine, neither a reverse proxy nor a browser that shows a foreign web page.

    Proxies add headers. nginx's plain `proxy_pass` adds none, but speaks HTTP/1.0 and says `Connection: close`, which
    callers over HTTP/1.0 have no reason to say. A foreign page reaches the loopback under a host name of its own (DNS
    rebinding), which `Host` shows, or sends a form across origins, which `Origin` and `Sec-Fetch-Site` show. A proxy
    that adds nothing and speaks HTTP/1.1 cannot be told from a caller here.
    """
    headers = request.headers
    return (
        request.client is not None
        and _is_loopback(request.client.host)
        and not (request.scope["http_version"] == "1.0" and "connection" in headers)
        and not any(_PROXY_HEADER.fullmatch(name) for name in headers)
        and headers.get("sec-fetch-site") != "cross-site"
        and _LOOPBACK_HOST.fullmatch(headers.get("host", "")) is not None
        and ("origin" not in headers or _LOOPBACK_ORIGIN.fullmatch(headers["origin"]) is not None)
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class _RateLimitHeaders:
    """A middleware, because headers on FastAPI's `Response` are lost if a route raises or returns its own response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def send_with_headers(message: Message) -> None:
            status: RateLimitStatus | None = state.get("rate_limit")
            if status is not None and message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(status.headers())
            await send(message)

        await self._app(scope, receive, send_with_headers)
