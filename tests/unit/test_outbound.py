"""Fetching from a real server on the loopback."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from worker.outbound import FetchError, ForbiddenAddressError, fetch, outbound_client


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "/picture")
            self.end_headers()
        elif self.path == "/picture":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 1000)
        elif self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            while not self.server.stopped.wait(0.05):  # type: ignore[attr-defined]
                try:
                    self.wfile.write(b"x")
                except OSError:
                    return
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.stopped = threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.stopped.set()  # type: ignore[attr-defined]
    server.shutdown()


def _fetch(url: str, *, max_bytes: int = 10_000, allow_private: bool = True, redirects: int = 1) -> bytes:
    with outbound_client(timeout_s=1, allow_private=allow_private, redirects=redirects) as client:
        return fetch(client, url, max_bytes=max_bytes, timeout_s=0.5)


def test_a_picture_is_fetched_also_behind_a_redirect(site: str) -> None:
    assert len(_fetch(f"{site}/picture")) == len(_fetch(f"{site}/redirect")) == 1000


def test_redirects_are_not_followed_unless_allowed(site: str) -> None:
    with pytest.raises(FetchError, match="answered 302"):
        _fetch(f"{site}/redirect", redirects=0)


def test_a_body_that_is_too_large_is_cut_off(site: str) -> None:
    with pytest.raises(FetchError, match="more than 100 bytes"):
        _fetch(f"{site}/picture", max_bytes=100)


def test_a_body_that_never_ends_is_cut_off(site: str) -> None:
    with pytest.raises(FetchError, match=r"not done after 0\.5 s"):
        _fetch(f"{site}/drip")


def test_an_error_answer_is_named(site: str) -> None:
    with pytest.raises(FetchError, match="answered 404"):
        _fetch(f"{site}/nothing")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "0.0.0.0"])
def test_addresses_that_are_not_public_are_never_connected_to(host: str) -> None:
    with pytest.raises(FetchError, match=r"not a public address|cannot be resolved"):
        _fetch(f"http://{host}:9/picture", allow_private=False)


def test_a_webhook_to_a_private_address_is_refused(site: str) -> None:
    with outbound_client(timeout_s=1, allow_private=False) as client, pytest.raises(ForbiddenAddressError):
        client.post(site, content=b"{}")


def test_a_dead_host_is_an_error_for_people() -> None:
    with pytest.raises(FetchError, match="cannot be fetched"), httpx.Client() as client:
        fetch(client, "http://127.0.0.1:9/picture", max_bytes=1, timeout_s=1)
