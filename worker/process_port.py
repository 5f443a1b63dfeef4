"""What a process tells about itself over HTTP: `/metrics` for Prometheus, `/live` and `/ready` for its supervisor."""

import json
import logging
import threading
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any

from celery import Celery
from celery.signals import celeryd_after_setup, worker_ready
from prometheus_client import MetricsHandler

from shared.settings import get_settings
from worker.vitals import LoopStep, Vitals, vitals, watch_clock

log = logging.getLogger(__name__)

_PATIENCE_S = 10
"""With a client that connects and asks nothing."""


def install(app: Celery) -> None:
    """Have every process of this app open its port, where the settings name one."""
    app.steps["consumer"].add(LoopStep)
    celeryd_after_setup.connect(_open, weak=False)
    worker_ready.connect(_start, weak=False)


def serve(port: int, vitals: Vitals) -> ThreadingHTTPServer | None:
    """Answer from a thread. A port that cannot be had is no reason to leave the work undone."""
    try:
        server = _Server(("0.0.0.0", port), _handler(vitals))  # noqa: S104  # nosec B104  # others are to reach it
    except OSError as error:
        log.error(
            "the port %d (CATALOG_PROCESS_PORT) cannot be had: this process tells nobody how it is: %s", port, error
        )
        return None
    threading.Thread(target=server.serve_forever, name="process-port", daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a request to the process port broke off", exc_info=True)


def _open(**_: Any) -> None:
    if (port := get_settings().process_port) is not None:
        serve(port, vitals)


def _start(sender: Any, **_: Any) -> None:
    if beat := sender.controller.beat:
        watch_clock(beat.is_alive)
    vitals.start()


def _handler(vitals: Vitals) -> type[MetricsHandler]:
    class Handler(MetricsHandler):
        timeout = _PATIENCE_S

        def do_GET(self) -> None:  # noqa: N802  # http.server's name
            match self.path.partition("?")[0]:
                case "/metrics":
                    super().do_GET()
                case "/live":
                    self._tell(vitals.dead())
                case "/ready":
                    self._tell(vitals.unready())
                case _:
                    self.send_error(HTTPStatus.NOT_FOUND)

        def _tell(self, reasons: list[str]) -> None:
            body = json.dumps({"status": "fail", "reasons": reasons} if reasons else {"status": "pass"}).encode()
            self.send_response(HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
