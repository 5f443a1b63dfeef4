"""A webhook receiver on the loopback, which checks signatures as a client of the service would."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from types import TracebackType
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError


class WebhookReceiver:
    """Takes POSTs; the verified payloads are in `received`.

    Args:
        secret: The service's signing secret.
        refuse: How many deliveries to answer with 503 first.
    """

    def __init__(self, secret: str, refuse: int = 0) -> None:
        self.received: Queue[dict[str, Any]] = Queue()
        self.refused = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # http.server's name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.refused < refuse:
                    receiver.refused += 1
                    self.send_response(503)
                else:
                    self.send_response(receiver._take(Webhook(secret), body, dict(self.headers)))
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhook"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def _take(self, verifier: Webhook, body: bytes, headers: dict[str, str]) -> int:
        try:
            self.received.put(verifier.verify(body, headers))
        except WebhookVerificationError:
            return 401
        return 204

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
