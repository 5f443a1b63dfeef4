"""The HTTP port of a Celery process: `/metrics` for Prometheus, `/live` and `/ready` for its supervisor."""

import json
import logging
import threading
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any

from prometheus_client import MetricsHandler

from worker.process.health import ProcessHealth

log = logging.getLogger(__name__)

_CLIENT_TIMEOUT_S = 10
"""How long a client may stay connected without sending a request."""


def serve(port: int, health: ProcessHealth) -> ThreadingHTTPServer | None:
    """Answer requests in a thread; `None` if the port cannot be opened, which must not keep the process from work."""
    try:
        server = _Server(("0.0.0.0", port), _handler(health))  # noqa: S104  # nosec B104  # others must reach it
    except OSError as error:
        log.error(
            "the port %d (CATALOG_PROCESS_PORT) cannot be opened: no metrics or health checks here: %s", port, error
        )
        return None
    threading.Thread(target=server.serve_forever, name="process-port", daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a request to the process port failed", exc_info=True)


def _handler(health: ProcessHealth) -> type[MetricsHandler]:
    class Handler(MetricsHandler):
        timeout = _CLIENT_TIMEOUT_S

        def do_GET(self) -> None:  # noqa: N802  # http.server's name
            match self.path.partition("?")[0]:
                case "/metrics":
                    super().do_GET()
                case "/live":
                    self._send_status(health.liveness_problems())
                case "/ready":
                    self._send_status(health.readiness_problems())
                case _:
                    self.send_error(HTTPStatus.NOT_FOUND)

        def _send_status(self, reasons: list[str]) -> None:
            body = json.dumps({"status": "fail", "reasons": reasons} if reasons else {"status": "pass"}).encode()
            self.send_response(HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
