"""A webhook receiver, which checks signatures as a client of the service would."""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from types import TracebackType
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError


class WebhookReceiver:
    """Takes POSTs; the verified payloads are in `received`, the headers and body of every request in `requests`.

    Args:
        secrets: A delivery that is signed with one of them is answered with 204, any other with 401.
        statuses: What to answer to the first deliveries instead, unseen.
        headers: Sent along with those.
        hang: Answer nothing until `go` is set.
        host: The address to listen on.
    """

    def __init__(
        self,
        *secrets: str,
        statuses: Iterable[int] = (),
        headers: Mapping[str, str] | None = None,
        hang: bool = False,
        host: str = "127.0.0.1",
    ) -> None:
        self.received: Queue[dict[str, Any]] = Queue()
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.statuses = deque(statuses)
        self.go = threading.Event()
        if not hang:
            self.go.set()
        self._verifiers = [Webhook(secret) for secret in secrets]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # http.server's name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((dict(self.headers), body))
                receiver.go.wait()
                with suppress(ConnectionError):  # the sender has given up
                    if receiver.statuses:
                        self.send_response(receiver.statuses.popleft())
                        for name, value in (headers or {}).items():
                            self.send_header(name, value)
                    else:
                        self.send_response(receiver._take(body, dict(self.headers)))
                    self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name
                """Quiet."""

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self.url = f"http://{host}:{self._server.server_port}/webhook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def _take(self, body: bytes, headers: dict[str, str]) -> int:
        for verifier in self._verifiers:
            with suppress(WebhookVerificationError):
                self.received.put(verifier.verify(body, headers))
                return 204
        return 401

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()
