"""Pictures that are none, that are huge, or whose server misbehaves: each is its item's own trouble."""

import io
import math
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shared.settings import Settings
from stack.services import Stack
from tests.faults.conftest import Figure, Service, client, stack_in
from tests.faults.memory import forget_peak, peak_with_children_mb, resident_mb
from tests.pictures import clouds, in_base64, jpeg, many_profiles, many_scans
from tests.waiting import finished
from worker.classify.pictures import MAX_PIXELS

GROWTH_MB = 1536
"""Limit of the worker's memory: it decodes one huge picture at a time, and a WebP takes most, 0.8 GB."""
TIMEOUT_S = 2
RESOLVER = Path(__file__).parent / "resolver"

Result = dict[str, Any]

UNREADABLE, TOO_LARGE, TOO_COSTLY, UNREACHABLE = (
    f"image_{what}" for what in ("unreadable", "too_large", "too_costly", "unreachable")
)


# Odd pictures


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _bomb(side: int) -> bytes:
    """A PNG of 100 bytes that promises side × side pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")


def _largest(kind: str, mode: str = "RGB", **options: object) -> bytes:
    """Just below the limit, of one colour: few bytes, many pixels."""
    side = math.isqrt(MAX_PIXELS)
    return _encoded(Image.new(mode, (side, side), "green"), kind, **options)


def _animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (90, 60), colour) for colour in ("red", "lime", "blue")]
    return _encoded(frames[0], kind, save_all=True, append_images=frames[1:])


def _rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return _encoded(Image.open(io.BytesIO(clouds(1, 120))), "JPEG", exif=exif)


def _palette() -> bytes:
    return _encoded(Image.new("P", (30, 30), 3), "PNG", transparency=3)


def _odd_pictures() -> dict[str, tuple[bytes, str | None]]:
    """By name: the bytes, and the error that they lead to, if any."""
    return {
        "truncated": (clouds(0, 300)[:-2000], UNREADABLE),
        "bomb-20000": (_bomb(20_000), TOO_LARGE),
        "bomb-60000": (_bomb(60_000), TOO_LARGE),
        "scans-1000": (many_scans(1000, side=4000), TOO_COSTLY),
        "profiles-14000": (many_profiles(14_000), None),
        "text": (b"no picture at all", UNREADABLE),
        "one-byte": (b"\xff", UNREADABLE),
        "zeros": (bytes(5000), UNREADABLE),
        "signature": (b"\x89PNG\r\n\x1a\n", UNREADABLE),
        "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', UNREADABLE),
        "html": (b"<!doctype html><img src=x>", UNREADABLE),
        "pdf": (b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF", UNREADABLE),
        "bmp": (_encoded(Image.new("RGB", (9, 9)), "BMP"), UNREADABLE),
        "largest-jpeg": (_largest("JPEG", progressive=True), None),
        "largest-png": (_largest("PNG", compress_level=1), None),
        "gif": (_animation("GIF"), None),
        "webp": (_animation("WEBP"), None),
        "cmyk": (_encoded(Image.new("CMYK", (90, 60), (0, 255, 255, 0)), "JPEG"), None),
        "16-bit": (_encoded(Image.fromarray(np.full((60, 90), 30_000, np.uint16)), "PNG"), None),
        "rotated": (_rotated(), None),
        "1x1": (_encoded(Image.new("RGB", (1, 1), "lime"), "PNG"), None),
        "palette": (_palette(), None),
        "neighbour": (jpeg(), None),
    }


def test_each_odd_picture_gives_a_result_or_its_own_error(service: Service, figure: Figure) -> None:
    stack, pictures = service(), _odd_pictures()
    pid = stack.worker.pid
    before = resident_mb(pid)
    results, state = _classified(stack, {name: data for name, (data, _) in pictures.items()})
    assert {name: _code(result) for name, result in results.items()} == {n: error for n, (_, error) in pictures.items()}
    assert all(result["error"]["message"] for result in results.values() if result["error"])
    assert state == "partial"
    growth = peak_with_children_mb(pid) - before
    figure("23 odd pictures: the worker's growth", growth, "MB")
    assert growth < GROWTH_MB
    _assert_unharmed(stack, pid)


def test_many_huge_pictures_at_once_are_decoded_one_at_a_time(service: Service, figure: Figure) -> None:
    stack = service()
    pid = stack.worker.pid
    kinds = [
        _largest("JPEG", progressive=True, subsampling=0),
        _largest("PNG", compress_level=1),
        _largest("PNG", mode="RGBA", compress_level=1),
        _largest("WEBP", lossless=True, method=0),
    ]
    before = resident_mb(pid)
    forget_peak(pid)
    began = time.monotonic()
    _, state = _classified(stack, {str(i): kinds[i % len(kinds)] for i in range(16)})
    figure("16 pictures of 50 million pixels at once: done after", time.monotonic() - began, "s")
    growth = peak_with_children_mb(pid) - before
    figure("16 pictures of 50 million pixels at once: the worker's growth", growth, "MB")
    assert state == "completed"
    assert growth < GROWTH_MB
    _assert_unharmed(stack, pid)


def _classified(stack: Stack, pictures: dict[str, bytes]) -> tuple[dict[str, Result], str]:
    return _results(stack, [{"id": name, "image": {"base64": in_base64(data)}} for name, data in pictures.items()])


def _results(stack: Stack, items: list[dict[str, Any]]) -> tuple[dict[str, Result], str]:
    """Results of one job by id, and how it ended."""
    with client(stack) as api:
        job = api.post("/v1/jobs", json={"items": items}).raise_for_status().json()
        state = finished(api, job["url"], timeout_s=120)["state"]
        page = api.get(job["results_url"]).raise_for_status().json()
    return {result["id"]: result for result in page["results"]}, state


def _code(result: Result) -> str | None:
    return result["error"]["code"] if result["error"] else None


def _assert_unharmed(stack: Stack, pid: int) -> None:
    assert stack.worker.running
    assert stack.worker.pid == pid
    log = stack.worker.log.read_text()
    assert not [line for line in log.splitlines() if " ERROR " in line or " CRITICAL " in line or "Traceback" in line]


# Odd servers


class _OddServer:
    """On 127.0.0.1, with a page for each misbehaviour; on 127.0.0.2 at the same port a counter of connections."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.private_connections = 0
        odd = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # http.server's name
                page = getattr(odd, f"_{self.path.removeprefix('/')}")
                try:
                    page(self)
                except OSError:  # the worker has given up
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._private = socket.create_server(("127.0.0.2", self.port))
        self._threads = ThreadPoolExecutor(2)
        self._threads.submit(self._server.serve_forever, 0.05)
        self._threads.submit(self._count)

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._private.shutdown(socket.SHUT_RDWR)
        self._private.close()
        self._threads.shutdown()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._private.accept()
            except OSError:
                return
            self.private_connections += 1
            connection.close()

    def _good(self, request: BaseHTTPRequestHandler) -> None:
        picture = jpeg()
        request.send_response(200)
        request.send_header("Content-Length", str(len(picture)))
        request.end_headers()
        request.wfile.write(picture)

    def _hangs(self, request: BaseHTTPRequestHandler) -> None:
        self.over.wait()

    def _drips_headers(self, request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.0 200 OK\r\nX-Long: ")
        self._drip(request)

    def _drips(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        self._drip(request)

    def _drip(self, request: BaseHTTPRequestHandler) -> None:
        while not self.over.wait(0.2):
            request.wfile.write(b"x")

    def _endless(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while not self.over.is_set():
            request.wfile.write(bytes(65536))

    def _to_itself(self, request: BaseHTTPRequestHandler) -> None:
        self._redirect(request, f"{self.url}/to_itself")

    def _to_private(self, request: BaseHTTPRequestHandler) -> None:
        self._redirect(request, f"http://127.0.0.2:{self.port}/good")

    def _to_private_name(self, request: BaseHTTPRequestHandler) -> None:
        self._redirect(request, f"http://private.test:{self.port}/good")

    def _to_file(self, request: BaseHTTPRequestHandler) -> None:
        self._redirect(request, "file:///etc/passwd")

    def _redirect(self, request: BaseHTTPRequestHandler, location: str) -> None:
        request.send_response(302)
        request.send_header("Location", location)
        request.end_headers()


@pytest.fixture(scope="module")
def odd_server() -> Iterator[_OddServer]:
    server = _OddServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A service that may connect to the odd server and to nothing else that is not public."""
    settings = {
        "CATALOG_ALLOWED_NETWORKS": '["127.0.0.1/32"]',
        "CATALOG_IMAGE_TIMEOUT_S": str(TIMEOUT_S),
        "PYTHONPATH": str(RESOLVER),
    }
    with stack_in(tmp_path_factory.mktemp("guarded"), settings) as running:
        yield running


def _hanging(server: _OddServer) -> list[str]:
    pages = [f"{server.url}/{page}" for page in ("hangs", "drips_headers", "drips")]
    return [*pages, f"http://silent.test:{server.port}/"]


def _forbidden_or_endless(server: _OddServer) -> list[str]:
    url, port = server.url, server.port
    return [
        *(f"{url}/{page}" for page in ("endless", "to_itself", "to_private", "to_private_name", "to_file")),
        f"http://private.test:{port}/good",
        f"http://both.test:{port}/good",
        *(f"http://{host}:{port}/good" for host in ("127.0.0.2", "2130706434", "0x7f000002", "0177.0.0.2", "127.2")),
        *(f"http://{host}:{port}/good" for host in ("0.0.0.0", "[::]", "[::1]", "[::ffff:127.0.0.2]", "[::127.0.0.2]")),
        *(f"http://{host}/" for host in ("10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "224.0.0.1")),
        *(f"http://{host}/" for host in ("[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:2]", "[2002:7f00:2::]")),
        "http://169.254.169.254/latest/meta-data/",
        f"http://127.0.0.1:{port}@127.0.0.2:{port}/good",
    ]


def test_each_odd_server_fails_its_own_item(guarded: Stack, odd_server: _OddServer) -> None:
    pid, hanging = guarded.worker.pid, _hanging(odd_server)
    failing = hanging + _forbidden_or_endless(odd_server)
    urls = {"neighbour": f"{odd_server.url}/good", **{url: url for url in failing}}
    results, state = _results(guarded, [{"id": name[:128], "image": {"url": url}} for name, url in urls.items()])
    assert state == "partial"
    assert {name for name, result in results.items() if result["status"] == "succeeded"} == {"neighbour"}
    assert {_code(results[url]) for url in failing} == {UNREACHABLE}
    assert odd_server.private_connections == 0
    for url in hanging:
        assert f"did not finish within {TIMEOUT_S} s" in results[url]["error"]["message"]
    _assert_unharmed(guarded, pid)


def test_hanging_servers_are_given_up_at_the_same_time(guarded: Stack, odd_server: _OddServer, figure: Figure) -> None:
    pid, hanging = guarded.worker.pid, _hanging(odd_server)
    assert len(hanging) <= Settings().prepare_threads
    with client(guarded) as api:
        job = api.post("/v1/jobs", json={"items": [{"image": {"url": url}} for url in hanging]}).json()
        took = _seconds(finished(api, job["url"]))
    figure("picture servers that hang: their job is done after", took, "s")
    assert TIMEOUT_S <= took < TIMEOUT_S + 1
    _assert_unharmed(guarded, pid)


def test_name_that_comes_to_resolve_to_a_private_address_is_refused(guarded: Stack, odd_server: _OddServer) -> None:
    pid, url = guarded.worker.pid, f"http://changing.test:{odd_server.port}/good"
    first, _ = _results(guarded, [{"id": "changing", "image": {"url": url}}])
    assert first["changing"]["status"] == "succeeded"
    second, _ = _results(guarded, [{"id": "changing", "image": {"url": url}}])
    assert _code(second["changing"]) == UNREACHABLE
    assert odd_server.private_connections == 0
    _assert_unharmed(guarded, pid)


def _seconds(job: dict[str, Any]) -> float:
    """From its first chunk's turn to its end."""
    began, ended = (datetime.fromisoformat(job[moment]) for moment in ("started_at", "finished_at"))
    return (ended - began).total_seconds()
