"""Connections to public addresses alone, with one time limit for everything that is done over them.

The connection is made to the very address that was checked, so a name that resolves differently the second time gains
nothing. Proxies from the environment are not used.
"""

import errno
import logging
import math
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore

from shared.log_limits import PerMinute
from shared.network.addresses import Network, may_connect

log = logging.getLogger(__name__)
log.addFilter(PerMinute(60))  # a client may send a hundred thousand such URLs

_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS}
"""What a machine that has run out of something says: nobody's URL is to blame."""
_NO_SUCH_NAME = "resolver-check.invalid"
"""A working resolver knows that this name does not exist (RFC 6761)."""

_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


class ForbiddenAddressError(httpcore.ConnectError):
    """The URL leads to an address that is not public, such as a private or loopback one."""


class NameServerError(httpcore.ConnectError):
    """The host's name cannot be resolved for now."""


@contextmanager
def within(timeout_s: float) -> Iterator[None]:
    """Limit the total time of what this thread does over guarded connections (`httpcore.TimeoutException`).

    A limit for each read would let a server that sends a byte now and then hold a request for ever.
    """
    token = _deadline.set(min(_deadline.get(), time.monotonic() + timeout_s))
    try:
        yield
    finally:
        _deadline.reset(token)


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to one of a host's addresses, and only if it may connect to all of them.

    Errors are httpcore's, except `OSError`: this machine lacks descriptors, memory or a resolver.
    """

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
    """Return the host's addresses as `getaddrinfo` does.

    Raises:
        NameServerError: the servers that know the name do not answer.
        OSError: the host cannot be resolved, or not in time, or no resolver answers at all.
    """
    try:
        return _addresses(host, port)
    except socket.gaierror as error:
        if error.errno != socket.EAI_AGAIN:
            raise OSError(f"{host} cannot be resolved") from error
    except UnicodeError as error:  # a label is empty or too long
        raise OSError(f"{host} cannot be resolved") from error
    try:
        _addresses(_NO_SUCH_NAME, port)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise OSError(errno.ENOBUFS, "this machine's name server does not answer") from error
    raise NameServerError(f"{host} cannot be resolved now")


def _addresses(host: str, port: int) -> list[tuple[Any, ...]]:
    """Call `getaddrinfo` in a thread, which is abandoned if it takes too long, because it cannot be interrupted."""
    answer: Future[list[tuple[Any, ...]]] = Future()

    def resolve() -> None:
        try:
            answer.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:
            answer.set_exception(error)

    try:
        threading.Thread(target=resolve, name=f"resolve {host}", daemon=True).start()
    except RuntimeError as error:
        raise OSError(errno.ENOMEM, "this machine can start no more threads") from error
    return answer.result(_left())


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
        if error.errno in _OURS:
            raise
        raise failure(error.strerror or str(error)) from error
