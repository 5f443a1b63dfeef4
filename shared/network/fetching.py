"""Fetches a file from a URL, or from the first of several that gives one: with redirects, and again after a moment."""

import random
import re
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import httpx

from shared.network.outbound import Answer, LateError, OutboundClient, OutboundError, within
from shared.network.retry_after import retry_after
from shared.network.urls import UnusableURLError, WebUrl

MAX_REDIRECTS = 10

_COMPRESSIONS = {"gzip", "x-gzip", "deflate", "compress", "br", "zstd"}
_MISSING = (404, 410)
_PASSING = (429, 502, 503, 504)
_PAUSES_S = (0.0, 0.5, 1.0)
"""Pauses before each further try, unless the server asks for a longer one: one that closed a kept connection is asked
again at once."""
_BUSY_S = 0.5
"""The shortest pause for a server that says that it is busy."""
_TURN_S = 0.05
_JITTER = 0.25


class FetchError(RuntimeError):
    """The URL gave no usable answer; the message tells the sender of the URL why."""


class MissingError(FetchError):
    """The server has nothing at the URL: it answered 404 or 410."""


class Turns(Protocol):
    """Bounds how many requests a host gets at a time."""

    def take(self, host: str) -> AbstractContextManager[None] | None:
        """A turn at the host, which ends with the context; `None` if none is free now."""


class _NoTurns:
    def take(self, host: str) -> AbstractContextManager[None]:
        return nullcontext()


class Fetch:
    """One file on its way. It never sleeps, so a thread can go on with another one during a pause.

    Args:
        urls: Where the file may be; the first that gives it decides.
        max_bytes: The largest file.
        timeout_s: Seconds for all requests and for the pauses that servers ask for; waiting for a turn costs none.
        turns: By default a host gets any number of requests.
        redirects: How many are followed, for each URL.
        head: Ask for the headers alone; then the file is empty.
    """

    def __init__(
        self,
        client: OutboundClient,
        urls: Sequence[str],
        *,
        max_bytes: int,
        timeout_s: float,
        turns: Turns | None = None,
        redirects: int = MAX_REDIRECTS,
        head: bool = False,
    ) -> None:
        self.headers = httpx.Headers()
        """Those of the file, once there is one."""
        self._head = head
        self._client = client
        self._rest = list(urls)
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._left_s = timeout_s
        self._turns = turns or _NoTurns()
        self._redirects = redirects
        self._failures: list[FetchError] = []
        self._refused = ""
        """How the server has answered last, as an error says it."""
        self._url: WebUrl | None = None
        self._share_s = 0.0
        self._hops = 0
        self._tries = 0

    def go_on(self) -> bytes | float:
        """Return the file, or the seconds after which to call this again.

        Raises:
            MissingError: the answer of the only URL is 404 or 410.
            FetchError: no URL has given the file: another answer, too large or too late, or none.
            OSError: this machine lacks something, which is not the URL's fault.
        """
        while True:
            try:
                got = self._step()
            except FetchError as error:
                self._failures.append(error)
                self._url = None
                if not self._rest and len(self._failures) == 1:
                    raise
                if not self._rest:
                    raise FetchError(self._why()) from error
            else:
                if got is not None:
                    return got

    def _step(self) -> bytes | float | None:
        """The file, a pause, or `None` after a redirect."""
        url = self._url or self._next()
        turn = self._turns.take(url.host)
        if turn is None:
            return _TURN_S * _jitter()
        begun = time.monotonic()
        try:
            with turn, within(self._share_s):
                got = self._ask(url)
        finally:
            self._spend(time.monotonic() - begun)
        if isinstance(got, float):
            if got > self._share_s:
                raise FetchError(f"{url.shown} {self._refused}")
            self._spend(got)
        return got

    def _next(self) -> WebUrl:
        """Begin with the next URL, which gets its share of the time left."""
        text = self._rest.pop(0)
        self._share_s = self._left_s / (len(self._rest) + 1)
        self._hops = self._tries = 0
        try:
            self._url = WebUrl.read(text)
        except UnusableURLError as error:
            # If it is unclear which part is the password, nothing of the URL is shown.
            raise FetchError(f"the URL cannot be fetched: {error}") from error
        return self._url

    def _ask(self, url: WebUrl) -> bytes | float | None:
        try:
            with self._client.get(url, head=self._head) as answer:
                if self._redirects and (redirect := answer.redirect):
                    self._follow(redirect)
                    return None
                if answer.is_success:
                    self.headers = answer.headers
                    return b"" if self._head else self._read(url, answer)
                return self._put_off(url, answer)
        except LateError as error:
            raise FetchError(f"{url.shown} did not finish within {self._timeout_s:g} s") from error
        except OutboundError as error:
            self._refused = f"cannot be fetched: {error}"
            if error.passing and self._tries < len(_PAUSES_S):
                self._tries += 1
                return _PAUSES_S[self._tries - 1] * _jitter()
            raise FetchError(f"{url.shown} {self._refused}") from error

    def _put_off(self, url: WebUrl, answer: Answer) -> float:
        """Return the pause after which to ask again; raises `FetchError` if the answer is final."""
        self._refused = f"answered {answer.status}"
        if answer.status not in _PASSING or self._tries >= len(_PAUSES_S):
            kind = MissingError if answer.status in _MISSING else FetchError
            raise kind(f"{url.shown} {self._refused}")
        asked = retry_after(answer.header("Retry-After"), time.time())
        if asked:
            self._refused += f" and asks to be called again in {asked:,.0f} s"
        pause = max(asked, _PAUSES_S[self._tries], _BUSY_S)
        self._tries += 1
        return pause * _jitter()

    def _follow(self, redirect: WebUrl) -> None:
        if self._hops >= self._redirects:
            raise FetchError(f"{redirect.shown} is behind more than {self._redirects} redirects")
        self._hops += 1
        self._url = redirect

    def _read(self, url: WebUrl, answer: Answer) -> bytes:
        encodings = re.findall(r"[\w-]+", answer.header("Content-Encoding").lower())
        if packed := _COMPRESSIONS.intersection(encodings):
            # Never decompressed: a small answer could fill the memory.
            raise FetchError(f"{url.shown} sent its answer compressed ({', '.join(packed)}) although asked not to")
        data = bytearray()
        for part in answer.parts():
            data += part
            if len(data) > self._max_bytes:
                raise FetchError(f"{url.shown} sent more than {self._max_bytes:,} bytes")
        return bytes(data)

    def _spend(self, seconds: float) -> None:
        self._left_s -= seconds
        self._share_s -= seconds

    def _why(self) -> str:
        return f"none of {len(self._failures)} URLs gave a file: " + "; ".join(map(str, self._failures))


def fetch(
    client: OutboundClient, url: str, *, max_bytes: int, timeout_s: float, redirects: int = MAX_REDIRECTS
) -> bytes:
    """Return the body of a 2xx answer; blocks during pauses. Parameters and errors are those of `Fetch`."""
    fetching = Fetch(client, [url], max_bytes=max_bytes, timeout_s=timeout_s, redirects=redirects)
    return whole(fetching)


def fetch_headers(client: OutboundClient, url: str, *, timeout_s: float) -> httpx.Headers:
    """Return the headers of a 2xx answer to HEAD; raises as `fetch` does, also if the server knows no HEAD."""
    fetching = Fetch(client, [url], max_bytes=0, timeout_s=timeout_s, head=True)
    whole(fetching)
    return fetching.headers


def whole(fetching: Fetch) -> bytes:
    """Return the file of `fetching`; blocks during pauses, and raises as `Fetch.go_on` does."""
    while not isinstance(got := fetching.go_on(), bytes):
        time.sleep(got)
    return got


def _jitter() -> float:
    return random.uniform(1, 1 + _JITTER)  # noqa: S311  # not used for security
