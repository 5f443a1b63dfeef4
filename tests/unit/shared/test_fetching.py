"""What servers answer and how a fetch takes it: from real sockets, with whatever bytes."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.network.fetching import MAX_REDIRECTS, Fetch, FetchError, fetch
from shared.network.outbound import OutboundClient, OutboundError, WebUrl, within
from shared.settings import ROOT
from tests.unit.shared.answers import answer, answering, ok

HERE = (ip_network("127.0.0.1/32"),)
LIMIT_S = 10


@pytest.fixture(scope="module")
def client() -> Iterator[OutboundClient]:
    with OutboundClient(HERE) as client:
        yield client


@pytest.fixture(scope="module")
def offline() -> Iterator[None]:
    """No name leads anywhere: the network outside must not decide about a test, or delay it."""
    real = socket.getaddrinfo

    def numbers_alone(host: str, port: int, **options: int) -> list[tuple[Any, ...]]:
        return list(real(host, port, flags=socket.AI_NUMERICHOST, **options))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", numbers_alone)
        yield


@contextmanager
def _refused(match: str = ".") -> Iterator[None]:
    with pytest.raises(FetchError, match=match):
        yield


def _fetch(client: OutboundClient, url: str, timeout_s: float = LIMIT_S) -> bytes:
    return fetch(client, url, max_bytes=1000, timeout_s=timeout_s)


_HEADERS = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.binary(max_size=30).map(lambda value: b"Location: " + value),
        st.text(max_size=20).map(lambda value: b"Location: " + value.encode("utf-8", "replace")),
        st.sampled_from(
            [
                b"Transfer-Encoding: chunked",
                b"Transfer-Encoding: gzip, chunked",
                b"Content-Encoding: gzip",
                b"Content-Length: -1",
                b"Content-Length: " + b"9" * 5000,
                b"Content-Length: 4\r\nContent-Length: 5",
                b"Set-Cookie: \xff=\xfe; Expires=never",
                b"Retry-After: \xb2",
                b"Retry-After: Sun, 99 Foo 9999 99:99:99 GMT",
                b"Location: http://xn--n3h/",
                b"Location: http://xn--a/",
                b"Location: http://[::1",
                b"Location: http://127.0.0.1:99999/",
                b"Location: http://user:%ff@\xe9/",
                b"Location: //",
                "Location: http://é.example:x/".encode(),
            ]
        ),
    ),
    max_size=4,
)
_HEADS = st.builds(
    lambda start, headers, body: b"\r\n".join([start, *headers, b"", body]),
    st.one_of(
        st.binary(max_size=40),
        st.integers(0, 9999).map(lambda status: b"HTTP/1.1 %d X" % status),
        st.sampled_from(
            [b"HTTP/1.1 302 Found", b"HTTP/1.1 200 OK", b"HTTP/1.0 503", b"HTTP/1.1 429 \xff", b"HTTP/2 200"]
        ),
    ),
    _HEADERS,
    st.one_of(st.binary(max_size=60), st.just(b"FFFFFFFFFFFFFFFFFFFFFFFFF\r\nx"), st.just(b"2\r\nab\r\n0\r\n\r\n")),
)


@pytest.mark.usefixtures("offline")
@given(data=st.one_of(st.binary(max_size=200), _HEADS))
@example(answer(302, b"Location: /photos/\xc3\xa9t\xc3\xa9.jpg"))
@example(answer(302, b"Location: http://xn--n3h/"))
@example(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 200_000 + b"\r\n\r\n")
@settings(max_examples=100, deadline=None)
def test_whatever_a_server_answers_is_a_file_or_a_reason(client: OutboundClient, data: bytes) -> None:
    with answering(data) as server:
        with suppress(FetchError):
            assert isinstance(Fetch(client, [server.site], max_bytes=1000, timeout_s=1).go_on(), bytes | float)
        with suppress(OutboundError), within(1), client.post(WebUrl.read(server.site), {}, b"{}") as told:
            told.header("Retry-After")


@pytest.mark.usefixtures("offline")
@given(url=st.one_of(st.text(), st.text().map("http://".__add__), st.binary().map(lambda url: f"http://{url!r}/")))
@example("http://xn--n3h/pic.jpg")
@example("http://xn--a/")
@example("http://\ud800/")
@example("http://127.0.0.1:9/\udfff")
@settings(max_examples=100, deadline=None)
def test_whatever_text_a_url_is_is_a_reason(client: OutboundClient, url: str) -> None:
    with _refused():
        _fetch(client, url, timeout_s=0.5)


def test_a_redirect_with_letters_outside_ascii_is_followed_as_browsers_do(client: OutboundClient) -> None:
    for location in ("/photos/été.jpg".encode(), b"/photos/%C3%A9t%C3%A9.jpg", b"  photos/\xc3\xa9t\xc3\xa9.jpg#part"):
        with answering(answer(302, b"Location: " + location), ok()) as server:
            assert _fetch(client, server.site) == b"picture"
            assert server.asked[1].startswith(b"GET /photos/%C3%A9t%C3%A9.jpg HTTP/1.1\r\n")
    with answering(answer(302, b"Location: /\xe9.jpg"), ok()) as server:
        assert _fetch(client, server.site) == b"picture"
        assert server.asked[1].startswith(b"GET /%E9.jpg ")


def test_ten_redirects_are_followed_and_no_more(client: OutboundClient) -> None:
    redirect = answer(307, b"Location: /next")
    with answering(*[redirect] * MAX_REDIRECTS, ok()) as server:
        assert _fetch(client, server.site) == b"picture"
    with answering(redirect) as server, _refused("more than 10 redirects"):
        _fetch(client, server.site)
    assert len(server.asked) == MAX_REDIRECTS + 1


def test_credentials_stay_at_their_origin(client: OutboundClient) -> None:
    with answering(ok()) as other, answering(answer(301, b"Location: /here")) as server:
        server.answers.append(answer(301, b"Location: " + other.site.encode()))
        assert _fetch(client, server.site.replace("//", "//user:p%40ss@")) == b"picture"
        told = [b"Authorization: Basic dXNlcjpwQHNz" in head for head in (*server.asked, *other.asked)]
    assert told == [True, True, False]


@pytest.mark.parametrize(
    "trouble",
    [
        answer(429, b"Retry-After: 0"),
        answer(502),
        answer(503, b"Retry-After: 1"),
        answer(504, b"Retry-After: nonsense"),
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"garbage\r\n\r\n",
    ],
)
def test_passing_trouble_is_waited_out(client: OutboundClient, trouble: bytes) -> None:
    with answering(trouble, ok()) as server:
        assert _fetch(client, server.site) == b"picture"
        assert len(server.asked) == 2


def test_a_kept_connection_that_closes_is_replaced_at_once(client: OutboundClient) -> None:
    with answering(ok(), b"", ok(), keep=True) as server:
        assert _fetch(client, server.site) == b"picture"
        fetching = Fetch(client, [server.site], max_bytes=1000, timeout_s=LIMIT_S)
        assert fetching.go_on() == 0
        assert fetching.go_on() == b"picture"


def test_lasting_trouble_is_named_after_some_tries(client: OutboundClient) -> None:
    with answering(answer(503)) as server, _refused("answered 503$"):
        _fetch(client, server.site)
    assert len(server.asked) == 4


@pytest.mark.parametrize("date", [False, True])
def test_a_server_that_asks_for_more_time_than_there_is_is_asked_once(client: OutboundClient, date: bool) -> None:
    header = formatdate(time.time() + 3600, usegmt=True) if date else "3600"
    with answering(answer(429, f"Retry-After: {header}".encode())) as server, _refused("asks to be called again in 3,"):
        _fetch(client, server.site)
    assert len(server.asked) == 1


def test_retry_after_is_heard_as_seconds_and_as_a_date(client: OutboundClient) -> None:
    for header in ("7", formatdate(time.time() + 7, usegmt=True)):
        with answering(answer(503, f"Retry-After: {header}".encode())) as server:
            pause = Fetch(client, [server.site], max_bytes=1, timeout_s=60).go_on()
        assert isinstance(pause, float)
        assert 5 < pause < 10


def test_answers_that_do_not_pass_are_not_asked_for_again(client: OutboundClient) -> None:
    for status in (400, 403, 404, 500, 304):
        with answering(answer(status)) as server, _refused(f"answered {status}$"):
            _fetch(client, server.site)
        assert len(server.asked) == 1


def test_the_first_url_that_gives_a_file_decides(client: OutboundClient) -> None:
    with answering(answer(404)) as missing, answering(ok()) as site:
        urls = [missing.site, "http://127.0.0.2:9/", site.site]
        assert Fetch(client, urls, max_bytes=1000, timeout_s=LIMIT_S).go_on() == b"picture"
        fetching = Fetch(client, urls[:2], max_bytes=1000, timeout_s=LIMIT_S)
        with _refused("none of 2 URLs gave a file: .* answered 404; .*public address"):
            fetching.go_on()


def test_what_this_machine_lacks_is_not_the_urls_fault() -> None:
    program = f"""
import resource, socket
from ipaddress import ip_network
from shared.network.fetching import FetchError, fetch
from shared.network.outbound import OutboundClient
client = OutboundClient([ip_network("127.0.0.0/8")])
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
sockets = []
try:
    while True:
        sockets.append(socket.socket())
except OSError:
    pass
try:
    fetch(client, "http://127.0.0.1:9/", max_bytes=1, timeout_s={LIMIT_S})
except OSError as error:
    print(error.strerror)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout.strip() == "Too many open files"
