"""HTTP requests to addresses chosen by clients: pictures and webhooks.

Whatever a server answers, or a URL turns out to be, is an `OutboundError`. `OSError` means that this machine lacks
something, which is no fault of the client that gave the URL.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Self

import httpcore
import httpx

from shared.network.addresses import Network
from shared.network.connections import ForbiddenAddressError, GuardedBackend, NameServerError, within
from shared.network.urls import UnusableURLError, WebUrl

log = logging.getLogger(__name__)

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ALWAYS = {"User-Agent": "rakuten-catalog", "Accept": "*/*", "Accept-Encoding": "identity"}


class OutboundError(RuntimeError):
    """There is no usable answer; the message says why, and quotes nothing of the URL but its host.

    Attributes:
        passing: Whether the same request may be answered a moment later.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class NoConnectionError(OutboundError):
    """No connection, or none that is permitted."""


class LateError(OutboundError):
    """The time was up."""


class Answer:
    """An answer whose body may be read."""

    def __init__(self, url: WebUrl, response: httpcore.Response) -> None:
        self.status = response.status
        self._url = url
        self._response = response

    @property
    def is_success(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def headers(self) -> httpx.Headers:
        return httpx.Headers(self._response.headers)

    def header(self, name: str) -> str:
        """The header's values, `""` without it."""
        return ", ".join(value.decode("latin-1") for value in self._values(name))

    @property
    def redirect(self) -> WebUrl | None:
        """Where the answer sends us, if it does; raises `NoConnectionError` if that is no URL."""
        locations = self._values("location") if self.status in REDIRECTS else []
        with _translated():
            return self._url.joined(locations[0]) if locations else None

    def parts(self) -> Iterator[bytes]:
        """The body as it comes; raises `OutboundError`."""
        with _translated():
            yield from self._response.iter_stream()

    def close(self) -> None:
        with _translated():
            self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _values(self, name: str) -> list[bytes]:
        return [value for key, value in self._response.headers if key.lower() == name.lower().encode()]


class OutboundClient:
    """Sends requests to URLs chosen by clients of the service; used by many threads at once.

    It keeps no cookies, follows no redirect and unpacks nothing: an answer to one client's URL changes no other
    client's request, and a small answer fills no memory.

    Args:
        allowed: Networks that may be connected to although they are not public.
    """

    def __init__(self, allowed: Sequence[Network]) -> None:
        # The number of connections is bounded by the number of calling threads; a limit on the pool would let slow
        # hosts delay the others.
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=None,
            max_keepalive_connections=20,
            keepalive_expiry=5,
            network_backend=GuardedBackend(allowed),
        )

    def get(self, url: WebUrl, *, head: bool = False) -> Answer:
        """Ask for the URL, or for its headers alone; close the answer. Raises `OutboundError` and `OSError`."""
        return self._send("HEAD" if head else "GET", url, {}, b"")

    def post(self, url: WebUrl, headers: dict[str, str], content: bytes) -> Answer:
        """Send the content; close the answer. Raises `OutboundError` and `OSError`."""
        return self._send("POST", url, {**headers, "Content-Length": str(len(content))}, content)

    def close(self) -> None:
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, method: str, url: WebUrl, headers: dict[str, str], content: bytes) -> Answer:
        headers = {"Host": url.authority, **_ALWAYS, **headers}
        if url.credentials is not None:
            headers["Authorization"] = url.credentials
        with _translated():
            request = httpcore.Request(
                method,
                httpcore.URL(
                    scheme=url.scheme.encode(), host=url.host.encode(), port=url.port, target=url.target.encode()
                ),
                headers=[(name.encode(), value.encode()) for name, value in headers.items()],
                content=content,
            )
            return Answer(url, self._pool.handle_request(request))


@contextmanager
def _translated() -> Iterator[None]:
    """Make one of ours of whatever the libraries raise because of somebody else's URL or bytes."""
    try:
        yield
    except (OutboundError, OSError, MemoryError):
        raise
    except UnusableURLError as error:
        raise NoConnectionError(str(error)) from error
    except httpcore.TimeoutException as error:
        raise LateError("the time was up") from error
    except httpcore.ConnectError as error:
        raise NoConnectionError(str(error), passing=isinstance(error, NameServerError)) from error
    except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
        raise OutboundError(str(error) or type(error).__name__, passing=True) from error
    except Exception as error:
        # What a library did not think of. Which one it is stands in the log; a stranger gets its name.
        log.info("a request failed in an unusual way: %s", type(error).__name__, exc_info=error)
        raise OutboundError(f"the exchange failed ({type(error).__name__})") from error


__all__ = [
    "REDIRECTS",
    "Answer",
    "ForbiddenAddressError",
    "LateError",
    "NoConnectionError",
    "OutboundClient",
    "OutboundError",
    "WebUrl",
    "within",
]
