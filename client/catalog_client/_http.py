"""What both clients share around a request: where it goes, when it is sent again, how its answer is read."""

import random
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, TypeVar

import httpx

from catalog_client._call import Answer, Call, is_page
from catalog_client._errors import (
    AnswerTooLargeError,
    CatalogError,
    ConfigurationError,
    ProblemError,
    ServiceUnreachableError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from catalog_client._model_records import Training
from catalog_client._records import Job

TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 300.0
TRIES = 5
LONGEST_WAIT_S = 30.0
OUTAGE_S = 900.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024

C = TypeVar("C", httpx.Client, httpx.AsyncClient)
E = TypeVar("E", Job, Training)
"""A record with an end to wait for."""

_BUSY = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_FIRST_PAUSE_S = 0.5
_JITTER = 0.2
_FIRST_LOOK_S, _LONGEST_LOOK_S, _LONGEST_LOOK_WITH_PROGRESS_S = 0.5, 20.0, 2.0
"""How long one request waits for a job's end: briefly at first; seldom for long where progress is shown."""
_PAUSE_IN_OUTAGE_S = 5.0


@dataclass(frozen=True)
class Policy:
    """How patient a client is, and how much it reads.

    Attributes:
        timeout_s: Seconds for connecting and for each part of a request to be sent.
        answer_timeout_s: Seconds for each part of an answer to arrive.
        tries: How often a request is sent at most.
        longest_wait_s: The longest pause between two tries, whatever `Retry-After` says.
        outage_s: How long a wait goes on although the service does not answer, or something else answers.
        max_answer_bytes: The largest answer, or line of a streamed answer.
    """

    timeout_s: float
    answer_timeout_s: float
    tries: int
    longest_wait_s: float
    outage_s: float
    max_answer_bytes: int


class Address:
    """The service's address: `url` for requests, and `display` for messages; neither holds credentials.

    Raises:
        ConfigurationError: it is no http(s) URL.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = httpx.URL(url.strip())
        except (httpx.InvalidURL, TypeError, AttributeError):
            raise ConfigurationError(
                "the service's URL is malformed; it should look like http://127.0.0.1:5000"
            ) from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            display = parsed.copy_with(userinfo=b"") if parsed.host else url.rpartition("@")[2]
            raise ConfigurationError(f"{str(display)!r} is not a URL of the service: begin it with http:// or https://")
        self.url = parsed.copy_with(userinfo=b"")  # httpx logs the URLs that it sends to
        self._auth = (parsed.username, parsed.password) if parsed.userinfo else None
        self._trust_env = not _is_loopback(parsed.host)
        """Whether the environment's proxies are used: none leads to this machine's loopback interface."""
        self.display = str(parsed.copy_with(userinfo=b"", query=None, fragment=None)).rstrip("/")

    def connect(self, kind: type[C], key: str | None, policy: Policy) -> C:
        """Return httpx's client of this kind for the address.

        Raises:
            ConfigurationError: the key holds characters that no key has, or a proxy or certificate of the environment
                cannot be used.
        """
        headers = _headers(key)
        try:
            return kind(
                base_url=self.url,
                auth=self._auth,
                timeout=httpx.Timeout(policy.timeout_s, read=policy.answer_timeout_s),
                # How many requests there are at a time is the caller's choice; httpx would let the 101st fail.
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
                headers=headers,
                trust_env=self._trust_env,
                verify=self._verify(),
            )
        except (ImportError, OSError, ValueError) as error:
            raise ConfigurationError(
                "a proxy or certificate of the environment cannot be used "
                f"({type(error).__name__}: {error}): look at ALL_PROXY, HTTP_PROXY, HTTPS_PROXY and SSL_CERT_FILE, "
                "or add the service's host to NO_PROXY"
            ) from error

    def _verify(self) -> ssl.SSLContext | bool:
        """What httpx checks certificates with; `SSL_CERT_FILE` counts on the loopback interface, too."""
        return True if self._trust_env or self.url.scheme == "http" else httpx.create_ssl_context()


def _headers(key: str | None) -> dict[str, str]:
    """Return the headers of every request; raises `ConfigurationError` for characters that no key has."""
    key = (key or "").strip()
    if not key:
        return {}
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigurationError("the API key is malformed: it holds blanks or characters other than ASCII")
    return {"Authorization": f"Bearer {key}"}


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class Tries:
    """The decision after each try of a request: use its answer, or send it again after a pause."""

    def __init__(self, policy: Policy, call: Call[Any], url: str) -> None:
        self._policy, self._call, self._url = policy, call, url
        self._made = 0

    def next(self, outcome: Answer | httpx.TransportError) -> Answer | float:
        """Return the answer to use, or the seconds to pause before the next try.

        Raises:
            ServiceUnreachableError: the connection failed, and no try is left.
        """
        self._made += 1
        last = self._made >= self._policy.tries
        if isinstance(outcome, Answer):
            return outcome if last or not self._is_busy(outcome) else self._busy_pause(outcome)
        # Where no connection came about, nothing can have had an effect.
        sent = not isinstance(outcome, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
        if last or (sent and not self._call.repeatable):
            raise ServiceUnreachableError(f"{self._url} cannot be reached: {_message(outcome)}") from outcome
        return self._backoff()

    def renew(self) -> None:
        """Start counting again, because the request has made progress."""
        self._made = 0

    def _is_busy(self, answer: Answer) -> bool:
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            return True  # refused before anything was done
        if not self._call.repeatable:
            return False
        if self._call.method == "GET" and is_page(answer.headers):
            return True  # a proxy's, for example
        in_use = answer.status == HTTPStatus.CONFLICT and "retry-after" in answer.headers  # an earlier try still runs
        return in_use or answer.status in _BUSY

    def _busy_pause(self, answer: Answer) -> float:
        seconds = _retry_after_s(answer.headers.get("retry-after", ""))
        if seconds is None:
            return self._backoff()
        return min(seconds * random.uniform(1, 1 + _JITTER), self._policy.longest_wait_s)  # noqa: S311  # no secret

    def _backoff(self) -> float:
        pause = _FIRST_PAUSE_S * 2.0**self._made * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
        return min(pause, self._policy.longest_wait_s)


class Looks:
    """The decision after each look at a job or a training: how long the next request waits for its end.

    Once the service has answered, the wait outlives its trouble and that of the network: a restart, a gateway's error,
    a login page.
    """

    def __init__(self, timeout_s: float | None, policy: Policy, *, known: bool, progress: bool) -> None:
        """Begin to look; `known` says that the service has answered about this record already."""
        self._timeout_s = timeout_s
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        longest = _LONGEST_LOOK_WITH_PROGRESS_S if progress else _LONGEST_LOOK_S
        self._longest = min(longest, policy.answer_timeout_s / 2)  # the answer must come before the client gives up
        self._policy = policy
        self._known = known
        self._outage_began: float | None = None
        self.wait_s = 0.0
        """How long the next request lets the service wait."""

    def ended(self, record: E) -> bool:
        """Take note of an answer; return whether the record has ended.

        Raises:
            WaitTimeoutError: `timeout_s` is over.
        """
        self._known, self._outage_began = True, None
        if record.ended:
            return True
        self.wait_s = min(self._longest, max(_FIRST_LOOK_S, self.wait_s * 1.5))
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                kind = type(record).__name__.lower()
                message = f"{kind} {record.id} is {record.state} and has not ended within {self._timeout_s:g} s"
                raise WaitTimeoutError(message, record)
            self.wait_s = min(self.wait_s, left)
        return False

    def pause_after(self, error: CatalogError) -> float:
        """Return the seconds to pause after a look that failed.

        Raises:
            CatalogError: the error itself, if it will not pass, or has lasted for too long.
        """
        now = time.monotonic()
        self._outage_began = self._outage_began or now
        lasted = now - self._outage_began >= self._policy.outage_s
        late = self._deadline is not None and now >= self._deadline
        if lasted or late or not (self._known and passes(error)):
            raise error
        pause = _PAUSE_IN_OUTAGE_S * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  # no secret
        return min(pause, self._policy.longest_wait_s)


def is_content(response: httpx.Response) -> bool:
    """Tell whether the response holds what was asked for, to be read as it comes."""
    return response.is_success and not is_page(response.headers)


def passes(error: CatalogError) -> bool:
    """Tell whether the same request may be answered later."""
    if isinstance(error, ProblemError):
        return error.status == HTTPStatus.TOO_MANY_REQUESTS or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    foreign = isinstance(error, UnexpectedAnswerError) and not isinstance(error, AnswerTooLargeError)
    return foreign or isinstance(error, ServiceUnreachableError)


class Content:
    """The parts of one answer, up to a size."""

    def __init__(self, limit: int, source: str) -> None:
        self._limit, self._source = limit, source
        self._content = bytearray()

    def add(self, part: bytes) -> None:
        """Add a part; raises `AnswerTooLargeError` past the limit."""
        self._content += part
        if len(self._content) > self._limit:
            raise AnswerTooLargeError(f"the answer has more than {self._limit} bytes")

    def answer(self, response: httpx.Response) -> Answer:
        return Answer(response.status_code, response.headers, bytes(self._content), self._source)


class Lines:
    """The lines of a stream, cut at newlines alone: httpx's `iter_lines` also cuts at U+2028, which JSON may hold."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""

    def feed(self, part: bytes) -> Iterator[bytes]:
        """Return the lines that are complete now; raises `AnswerTooLargeError` for one past the limit."""
        *lines, self._rest = (self._rest + part).split(b"\n")
        if len(self._rest) > self._limit:
            raise AnswerTooLargeError(f"a line of the answer has more than {self._limit} bytes")
        return (line for line in lines if line.strip())


def _retry_after_s(header: str) -> float | None:
    """Return the seconds to wait, which the header holds as such or as a date; `None` if it cannot be understood."""
    header = header.strip()
    try:
        seconds = float(header) if header.isdecimal() else parsedate_to_datetime(header).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return max(seconds, 0)


def _message(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__
