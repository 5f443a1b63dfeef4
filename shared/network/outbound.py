"""HTTP requests to addresses chosen by clients: pictures and webhooks.

The connection is made to the very address that was checked, so a name that resolves differently the second time gains
nothing. The time limit covers the whole request. Proxies from the environment are not used.
"""

import logging
import math
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore
import httpx

from shared.network.addresses import Network, may_connect

log = logging.getLogger(__name__)

_COMPRESSIONS = {"gzip", "x-gzip", "deflate", "compress", "br", "zstd"}
_MAX_PORT = 65535
_MISSING = (404, 410)

_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


class ForbiddenAddressError(httpx.ConnectError):
    """The URL leads to an address that is not public, such as a private or loopback one."""


class FetchError(RuntimeError):
    """The URL gave no usable answer; the message tells the sender of the URL why."""


class MissingError(FetchError):
    """The server has nothing at the URL: it answered 404 or 410."""


@contextmanager
def within(timeout_s: float) -> Iterator[None]:
    """Limit the total time of this thread's requests through an `outbound_client` (`httpx.TimeoutException`).

    httpx's own timeouts restart with each read, so a server that sends a byte now and then could hold a request for
    ever.
    """
    token = _deadline.set(min(_deadline.get(), time.monotonic() + timeout_s))
    try:
        yield
    finally:
        _deadline.reset(token)


def outbound_client(*, timeout_s: float, allowed: Sequence[Network], redirects: int = 0) -> httpx.Client:
    """Return a client for URLs chosen by clients of the service.

    Args:
        timeout_s: Limit for each step of a request; `within` limits the total.
        allowed: Networks that may be connected to although they are not public.
        redirects: The number of redirects to follow.
    """
    return httpx.Client(
        transport=_Transport(allowed),
        timeout=timeout_s,
        trust_env=False,
        follow_redirects=redirects > 0,
        max_redirects=max(redirects, 1),
        headers={"User-Agent": "rakuten-catalog", "Accept-Encoding": "identity"},
        # No cookies: the answer to one client's URL must not change another client's request.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
    )


def fetch(client: httpx.Client, url: str, *, max_bytes: int, timeout_s: float) -> bytes:
    """Return the body of a 2xx answer of at most `max_bytes`, received within `timeout_s` in total.

    Raises:
        MissingError: the answer is 404 or 410.
        FetchError: the answer is another one, too large or too late, or there is none.
    """
    shown = _without_credentials(url)
    data = bytearray()
    try:
        with within(timeout_s), client.stream("GET", url, timeout=timeout_s) as response:
            if not response.is_success:
                kind = MissingError if response.status_code in _MISSING else FetchError
                raise kind(f"{shown} answered {response.status_code}")
            encodings = re.findall(r"[\w-]+", response.headers.get("Content-Encoding", "").lower())
            if packed := _COMPRESSIONS.intersection(encodings):
                # Never decompressed: a small answer could fill the memory.
                raise FetchError(f"{shown} sent its answer compressed ({', '.join(packed)}) although asked not to")
            for part in response.iter_raw():
                data += part
                if len(data) > max_bytes:
                    raise FetchError(f"{shown} sent more than {max_bytes:,} bytes")
    except httpx.TimeoutException as error:
        raise FetchError(f"{shown} did not finish within {timeout_s:g} s") from error
    except httpx.HTTPError as error:
        raise FetchError(f"{shown} cannot be fetched: {str(error) or type(error).__name__}") from error
    except httpx.InvalidURL as error:  # whose message may quote a part of the password
        raise FetchError(f"{shown} cannot be fetched: it is not a valid URL") from error
    return bytes(data)


def _without_credentials(url: str) -> str:
    try:
        well_formed = bool(httpx.URL(url).host)
    except httpx.InvalidURL:
        well_formed = False
    # If it is unclear which part is the password, nothing of the URL is shown.
    return re.sub(r"//[^/?#]*@", "//", url, count=1) if well_formed else "the URL"


class _Transport(httpx.HTTPTransport):
    """httpx's transport, with a guard on the addresses it connects to, and without the bodies of redirects."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        context = httpx.create_ssl_context(trust_env=False)
        super().__init__(verify=context)
        # httpx has no public way to pass a network backend to httpcore. The number of connections is bounded by the
        # number of calling threads; a limit on the pool would let slow hosts delay the others.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=None,
            max_keepalive_connections=20,
            keepalive_expiry=5,
            network_backend=_GuardedBackend(allowed),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        if url.scheme not in ("http", "https") or not url.host:
            raise httpx.UnsupportedProtocol("only URLs that begin with http:// or https:// and a host are fetched")
        if url.port is not None and url.port > _MAX_PORT:
            raise httpx.UnsupportedProtocol(f"there is no port {url.port}")
        response = super().handle_request(request)
        if response.has_redirect_location:
            # httpx would read and decompress the body of a redirect, however large.
            response.close()
            return httpx.Response(response.status_code, headers={"Location": response.headers["Location"]})
        return response


class _GuardedBackend(httpcore.NetworkBackend):
    """Connects to one of a host's addresses, and only if it may connect to all of them."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        with (
            within(math.inf if timeout is None else timeout),
            _as_httpcore(httpcore.ConnectTimeout, httpcore.ConnectError),
        ):
            candidates = _resolve(host, port)
            for *_, address in candidates:
                self._check(host, address)
            failure = OSError(f"{host} has no address")
            for index, (family, kind, protocol, _, address) in enumerate(candidates):
                connection = socket.socket(family, kind, protocol)
                try:
                    # A share of the time left, so that an address that never answers leaves some for the next ones.
                    connection.settimeout(_left(share=len(candidates) - index))
                    connection.connect(address)
                    self._check(host, connection.getpeername())
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    return _Stream(connection)
                except OSError as error:
                    connection.close()
                    failure = error
                except ForbiddenAddressError:
                    connection.close()
                    raise
            raise failure

    def _check(self, host: str, address: tuple[Any, ...]) -> None:
        # The message does not name the address: strangers must not learn what a name inside our network resolves to.
        if not may_connect(address[0], self._allowed):
            # An event of its own (ASVS 5.0, 16.3.3): somebody may be trying what lies behind this service.
            fields = {"event": "address.refused", "target": host, "address": address[0]}
            log.warning("refused to connect to %r: %s is not public", host, address[0], extra={"fields": fields})
            raise ForbiddenAddressError(f"{host} does not lead to a public address")


class _Stream(httpcore.NetworkStream):
    """A connection that gives each step the time left until the deadline."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _as_httpcore(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(_left(timeout))
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _as_httpcore(httpcore.WriteTimeout, httpcore.WriteError):
            while buffer:
                self._socket.settimeout(_left(timeout))
                buffer = buffer[self._socket.send(buffer) :]

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            with _as_httpcore(httpcore.ConnectTimeout, httpcore.ConnectError):
                self._socket.settimeout(_left(timeout))  # covers the whole handshake
                return _Stream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname))
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        """Answer httpcore; `is_readable` on an idle connection means that the server has closed it."""
        if info == "is_readable":
            readable = select.poll()
            readable.register(self._socket, select.POLLIN)
            return bool(readable.poll(0))
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        return None


def _resolve(host: str, port: int) -> list[tuple[Any, ...]]:
    """Call `getaddrinfo` in a thread, which is abandoned if it takes too long, because it cannot be interrupted.

    Raises:
        OSError: the host cannot be resolved, or not in time.
    """
    answer: Future[list[tuple[Any, ...]]] = Future()

    def resolve() -> None:
        try:
            answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=resolve, name=f"resolve {host}", daemon=True).start()
    try:
        return answer.result(_left())
    except (socket.gaierror, UnicodeError) as error:  # the latter if a label is empty or too long
        raise OSError(f"{host} cannot be resolved") from error


def _left(timeout: float | None = None, *, share: int = 1) -> float | None:
    """Return the seconds for the next step: `timeout` or the time left until the deadline, or a share of that.

    Raises:
        TimeoutError: no time is left.
    """
    left = min(math.inf if timeout is None else timeout, _deadline.get() - time.monotonic())
    if left <= 0:
        raise TimeoutError("the time is up")
    return None if math.isinf(left) else left / share


@contextmanager
def _as_httpcore(timeout: type[Exception], failure: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise timeout(str(error)) from error
    except OSError as error:
        raise failure(error.strerror or str(error)) from error
