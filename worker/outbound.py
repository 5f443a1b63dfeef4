"""HTTP to addresses that clients name: pictures and webhooks.

The address is checked on the very connection that is made, so a name that resolves to another address the second time
gains nothing. Environment proxies are not used.
"""

import ipaddress
import socket
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx


class ForbiddenAddressError(OSError):
    """The URL leads to a private, loopback or otherwise non-public address."""


class FetchError(RuntimeError):
    """The URL gave no usable answer; the message says why, for the person who sent it."""


class _GuardedBackend(httpcore.SyncBackend):
    """Connects to a name's address only if that address is public."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved: {error}") from error
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            if not ipaddress.ip_address(address.partition("%")[0]).is_global:
                raise ForbiddenAddressError(f"{host} leads to {address}, which is not a public address")
        return super().connect_tcp(addresses[0], port, timeout, local_address, socket_options)


def outbound_client(*, timeout_s: float, allow_private: bool, redirects: int = 0) -> httpx.Client:
    """A client for URLs that somebody else chose; `allow_private` switches the address check off, for development."""
    transport = httpx.HTTPTransport(trust_env=False)
    if not allow_private:
        # httpx has no public way to pass a network backend on to httpcore.
        transport._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False), network_backend=_GuardedBackend()
        )
    return httpx.Client(
        transport=transport,
        timeout=timeout_s,
        trust_env=False,
        follow_redirects=redirects > 0,
        max_redirects=max(redirects, 1),
        headers={"User-Agent": "rakuten-catalog"},
    )


def fetch(client: httpx.Client, url: str, *, max_bytes: int, timeout_s: float) -> bytes:
    """The body of a 2xx answer, at most `max_bytes`, within `timeout_s` in all.

    Raises:
        FetchError: anything else.
    """
    deadline = time.monotonic() + timeout_s
    data = bytearray()
    try:
        with client.stream("GET", url) as response:
            if not response.is_success:
                raise FetchError(f"{url} answered {response.status_code}")
            for part in response.iter_bytes():
                data += part
                if len(data) > max_bytes:
                    raise FetchError(f"{url} sent more than {max_bytes:,} bytes")
                if time.monotonic() > deadline:
                    raise FetchError(f"{url} was not done after {timeout_s:g} s")
    except ForbiddenAddressError as error:
        raise FetchError(str(error)) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise FetchError(f"{url} cannot be fetched: {error or type(error).__name__}") from error
    return bytes(data)
