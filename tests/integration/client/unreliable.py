"""A server in front of the service that fails as proxies and networks do, and otherwise passes requests on."""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import httpx

_PASSED_ON = ("content-type", "idempotency-key")


@dataclass(frozen=True)
class Fault:
    """What happens to one request instead of an answer.

    Attributes:
        status: The status to answer with; `None`: the connection is closed without an answer.
        passed_on: Whether the service gets the request before that.
        cut: Pass on this many bytes of the service's answer, and close the connection then.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"detail": "not now"}'
    passed_on: bool = False
    cut: int | None = None


class Unreliable:
    """Args: upstream: the service's URL; faults: what happens to the first requests, in this order."""

    def __init__(self, upstream: str, *faults: Fault) -> None:
        self.faults = deque(faults)
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        """Method, path and headers of every request, in order."""
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = b"".join(self.sent())
                headers: dict[str, str] = {name.lower(): value for name, value in self.headers.items()}
                server.requests.append((self.command, self.path, headers))
                fault = server.faults.popleft() if server.faults else None
                if fault is None or fault.passed_on or fault.cut is not None:
                    kept = {name: value for name, value in headers.items() if name in _PASSED_ON}
                    answer = httpx.request(self.command, upstream + self.path, content=body, headers=kept, timeout=60)
                self.close_connection = fault is not None
                if fault is None:
                    self.answer(answer.status_code, answer.headers, answer.content)
                elif fault.cut is not None:
                    self.answer(answer.status_code, answer.headers, answer.content, fault.cut)
                elif fault.status is not None:
                    self.answer(fault.status, fault.headers, fault.body)

            do_GET = do_POST = handle_any  # noqa: N815  # http.server's names

            def sent(self) -> Iterator[bytes]:
                """The request's body, chunked or not."""
                if self.headers.get("Transfer-Encoding") != "chunked":
                    yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
                    return
                while size := int(self.rfile.readline(), 16):
                    yield self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()

            def answer(self, status: int, headers: Mapping[str, str], body: bytes, cut: int | None = None) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(ConnectionError):
                    self.wfile.write(body[:cut])

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
