"""Fetching from real servers on the loopback; only the DNS is played, where a test needs it to lie or to hang."""

import gzip
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from itertools import chain, repeat

import pytest

from shared.network.fetching import FetchError, fetch
from shared.network.outbound import LateError, NoConnectionError, OutboundClient, WebUrl, within
from shared.settings import ROOT

HERE = (ip_network("127.0.0.1/32"),)
BOMB = gzip.compress(bytes(50_000_000))
"""What the tests allow: not the whole loopback, 127.0.0.2 stands for an internal service."""
LIMIT_S = 0.5


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        match self.path:
            case "/picture":
                self._answer(200, b"x" * 1000, {"Set-Cookie": "seen=1"})
            case "/asked":
                self._answer(200, f"{self.headers['Accept-Encoding']} {self.headers['Cookie']}".encode())
            case "/redirect":
                self._answer(302, b"", {"Location": "/picture"})
            case "/redirect-with-endless-body":
                self._head(302, {"Location": "/picture"})
                self._drip(b"x")
            case "/slow-redirect":
                self._stopped.wait(0.3)
                self._answer(302, b"", {"Location": "/slow-redirect"})
            case "/bomb":
                self._answer(200, BOMB, {"Content-Encoding": "GZip"})
            case "/endless-head":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
                self._drip(b"x")
            case "/endless-body":
                self._head(200, {})
                self._drip(b"x")
            case path if path.startswith("/to/"):
                self._answer(302, b"", {"Location": path.removeprefix("/to/")})
            case _:
                self.send_error(404)

    do_POST = do_GET  # noqa: N815

    @property
    def _stopped(self) -> threading.Event:
        return self.server.stopped  # type: ignore[attr-defined, no-any-return]

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, {"Content-Length": str(len(body)), **(headers or {})})
        self.wfile.write(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _drip(self, byte: bytes) -> None:
        while not self._stopped.wait(0.05):
            self.wfile.write(byte)

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:  # the other side has had enough
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.stopped = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.stopped.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(port: int) -> str:
    return f"http://127.0.0.1:{port}"


@contextmanager
def _listening(address: str, port: int = 0) -> Iterator[socket.socket]:
    """Accepts connections into its backlog, and never answers."""
    with socket.create_server((address, port)) as listener:
        listener.setblocking(False)
        yield listener


def _assert_nobody_came(listener: socket.socket) -> None:
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.fixture
def internal(port: int) -> Iterator[socket.socket]:
    """A service on an address that is not allowed, at the same port as the site; at the end nobody must have come."""
    with _listening("127.0.0.2", port) as listener:
        yield listener
        _assert_nobody_came(listener)


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Lets the name `shop.example` resolve to each list of addresses in turn, to the last one for ever."""
    real = socket.getaddrinfo

    def answer(*turns: list[str]) -> list[str]:
        asked: list[str] = []
        answers = chain(turns, repeat(turns[-1]))

        def getaddrinfo(host: str, port: int, **options: int) -> list[object]:
            assert host == "shop.example"
            asked.append(host)
            return [entry for address in next(answers) for entry in real(address, port, **options)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return answer


def _fetch(url: str, *, max_bytes: int = 10_000, redirects: int = 1) -> bytes:
    with OutboundClient(HERE) as client:
        return fetch(client, url, max_bytes=max_bytes, timeout_s=LIMIT_S, redirects=redirects)


@contextmanager
def _in_time() -> Iterator[None]:
    """The limit, and what a busy machine may add."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < LIMIT_S + 1


def test_a_picture_is_fetched_also_behind_a_redirect(site: str) -> None:
    assert len(_fetch(f"{site}/picture")) == len(_fetch(f"{site}/redirect")) == 1000


def test_redirects_are_not_followed_unless_allowed(site: str) -> None:
    with pytest.raises(FetchError, match="answered 302"):
        _fetch(f"{site}/redirect", redirects=0)


def test_number_of_redirects_is_limited(site: str) -> None:
    with pytest.raises(FetchError, match="redirects"):
        _fetch(f"{site}/to//to//redirect", redirects=2)


def test_a_body_that_is_too_large_is_cut_off(site: str) -> None:
    with pytest.raises(FetchError, match="more than 100 bytes"):
        _fetch(f"{site}/picture", max_bytes=100)


@pytest.mark.parametrize("path", ["endless-head", "endless-body", "slow-redirect"])
def test_an_answer_that_never_ends_is_cut_off(site: str, path: str) -> None:
    with _in_time(), pytest.raises(FetchError, match=r"not finish within 0\.5 s"):
        _fetch(f"{site}/{path}", redirects=9)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_silent_server_times_out(scheme: str) -> None:
    with _listening("127.0.0.1") as silent, _in_time(), pytest.raises(FetchError, match=r"not finish within 0\.5 s"):
        _fetch(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/picture")


def test_a_webhook_is_limited_as_a_whole(site: str) -> None:
    with (
        OutboundClient(HERE) as client,
        _in_time(),
        pytest.raises(LateError),
        within(LIMIT_S),
    ):
        client.post(WebUrl.read(f"{site}/endless-head"), {}, b"{}")


def test_receiver_that_does_not_read_times_out() -> None:
    with (
        _listening("127.0.0.1") as silent,
        OutboundClient(HERE) as client,
        _in_time(),
        pytest.raises(LateError),
        within(LIMIT_S),
    ):
        client.post(WebUrl.read(f"http://127.0.0.1:{silent.getsockname()[1]}"), {}, bytes(50_000_000))


def test_the_limit_of_one_request_does_not_outlast_it(site: str) -> None:
    with OutboundClient(HERE) as client:
        with pytest.raises(LateError), within(0):
            client.get(WebUrl.read(f"{site}/picture"))
        assert client.get(WebUrl.read(f"{site}/picture")).is_success


def test_the_body_of_a_redirect_is_not_read(site: str) -> None:
    assert len(_fetch(f"{site}/redirect-with-endless-body")) == 1000


def test_a_compressed_answer_is_refused_and_never_unpacked(site: str) -> None:
    with pytest.raises(FetchError, match=r"compressed \(gzip\)"):
        _fetch(f"{site}/bomb", max_bytes=100_000_000)


def test_no_compression_is_asked_for_and_no_cookie_kept(site: str) -> None:
    with OutboundClient(HERE) as client:
        fetch(client, f"{site}/picture", max_bytes=1000, timeout_s=5)
        assert fetch(client, f"{site}/asked", max_bytes=1000, timeout_s=5) == b"identity None"


def test_an_error_answer_is_named(site: str) -> None:
    with pytest.raises(FetchError, match="answered 404"):
        _fetch(f"{site}/nothing")


@pytest.mark.parametrize("host", ["127.0.0.2", "[::1]", "169.254.169.254", "10.0.0.1", "0.0.0.0", "[::ffff:7f00:2]"])
def test_addresses_that_are_not_public_are_never_connected_to(host: str) -> None:
    with pytest.raises(FetchError, match="does not lead to a public address"):
        _fetch(f"http://{host}:9/picture")


def test_a_refused_address_is_an_event_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.network.connections.log.filters", [])  # which other tests may have used up
    with pytest.raises(FetchError):
        _fetch("http://user:secret@127.0.0.2:9/picture")
    (record,) = caplog.records
    assert record.__dict__["fields"] == {"event": "address.refused", "target": "127.0.0.2", "address": "127.0.0.2"}
    assert record.levelname == "WARNING"
    assert "secret" not in caplog.text


def test_a_client_cannot_fill_the_log_with_refused_addresses(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(100):
        with pytest.raises(FetchError):
            _fetch("http://127.0.0.2:9/picture")
    assert len(caplog.records) <= 60


@pytest.mark.usefixtures("internal")
def test_a_redirect_to_an_internal_address_is_refused(site: str, port: int) -> None:
    with pytest.raises(FetchError, match=r"127\.0\.0\.2 does not lead to a public address"):
        _fetch(f"{site}/to/http://127.0.0.2:{port}/picture")


@pytest.mark.usefixtures("internal")
def test_name_resolved_to_another_address_later_is_refused(port: int, dns: Callable[..., list[str]]) -> None:
    asked = dns(["127.0.0.1"], ["127.0.0.2"])
    assert len(_fetch(f"http://shop.example:{port}/picture")) == 1000
    assert len(asked) == 1
    with pytest.raises(FetchError, match=r"shop\.example does not lead to a public address"):
        _fetch(f"http://shop.example:{port}/picture")


@pytest.mark.usefixtures("internal")
def test_one_forbidden_address_of_a_name_forbids_it(dns: Callable[..., list[str]], port: int) -> None:
    with _listening("127.0.0.1") as listener:
        dns(["127.0.0.1", "127.0.0.2"])
        with pytest.raises(FetchError, match="public address"):
            _fetch(f"http://shop.example:{listener.getsockname()[1]}/picture")
        _assert_nobody_came(listener)


def test_the_address_at_the_other_end_is_checked_too() -> None:
    """A connection to 0.0.0.0 comes out at 127.0.0.1."""
    with _listening("127.0.0.1") as listener, OutboundClient([ip_network("0.0.0.0")]) as client:
        with pytest.raises(FetchError, match="public address"):
            fetch(client, f"http://0.0.0.0:{listener.getsockname()[1]}/picture", max_bytes=1, timeout_s=5)
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(1) == b""


def test_next_address_is_tried_after_a_dead_one(port: int, dns: Callable[..., list[str]]) -> None:
    dns(["127.0.0.3", "127.0.0.1"])
    allowed = [ip_network("127.0.0.0/8")]
    with OutboundClient(allowed) as client:
        assert fetch(client, f"http://shop.example:{port}/picture", max_bytes=1000, timeout_s=5)


def test_hanging_resolver_times_out() -> None:
    """Also by the interpreter when it ends."""
    program = f"""
import socket, threading
socket.getaddrinfo = lambda *_, **__: threading.Event().wait()
from shared.network.fetching import FetchError, fetch
from shared.network.outbound import OutboundClient
try:
    fetch(OutboundClient(()), "http://shop.example/", max_bytes=1, timeout_s={LIMIT_S})
except FetchError as error:
    print(error)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stdout.strip() == "http://shop.example/ did not finish within 0.5 s"


def test_a_webhook_to_a_private_address_is_refused(site: str) -> None:
    with OutboundClient(()) as client, pytest.raises(NoConnectionError, match="public address"):
        client.post(WebUrl.read(site), {}, b"{}")


def test_proxies_of_the_environment_are_not_used(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with _listening("127.0.0.1") as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert len(_fetch(f"{site}/picture")) == 1000
        _assert_nobody_came(proxy)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "file:///etc/passwd", "ws://127.0.0.1/", "gopher://x"])
def test_schemes_other_than_http_are_refused_also_after_a_redirect(site: str, url: str) -> None:
    for asked in (url, f"{site}/to/{url}"):
        with pytest.raises(FetchError, match="only URLs that begin with http:// or https://"):
            _fetch(asked)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "picture.jpg",
        "//127.0.0.1/",
        "http://",
        "http:///x",
        "http://[::1",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:x/",
        "http://a..b/",
        f"http://{'a' * 64}.com/",
        "http://\x00/",
        "http://①/",
        "http://127.0.0.1:9/" + "x" * 70_000,
        "http://127.0.0.1:9/picture",
    ],
)
def test_unusable_url_gives_a_readable_error(url: str) -> None:
    with pytest.raises(FetchError, match=r"cannot be fetched: \w"):
        _fetch(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:p%40ss@127.0.0.1:9/picture",
        "http://user:p%40ss@127.0.0.2:9/picture",
        "http://user:p%40ss@@127.0.0.1:9/picture",
        "http://user:p%40ss/@127.0.0.1:9/picture",
        "http:user:p%40ss@127.0.0.1/picture",
        "ftp://user:p%40ss@127.0.0.1/picture",
        "http://user:p%40ss@127.0.0.1:99999/picture",
        "http://user:p%40ss@[::1/picture",
    ],
)
def test_no_message_shows_a_password(url: str) -> None:
    with pytest.raises(FetchError) as caught:
        _fetch(url)
    assert "p%40ss" not in str(caught.value)
    assert "p@ss" not in str(caught.value)


def test_a_message_names_the_url(site: str) -> None:
    with pytest.raises(FetchError, match=rf"^{site}/nothing\?of=a@b answered 404$"):
        _fetch(f"{site.replace('//', '//user:word@')}/nothing?of=a@b")
