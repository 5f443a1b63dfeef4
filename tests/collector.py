"""Where traces go: a collector that speaks OTLP over HTTP, as OpenTelemetry's own does, and keeps what it gets."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

FAILED = trace_pb2.Status.STATUS_CODE_ERROR


@dataclass(frozen=True)
class Span:
    process: str
    """The service's name."""
    name: str
    id: str
    parent: str
    """Empty where it is a root."""
    trace: str
    facts: Mapping[str, Any]
    failed: bool
    raw: bytes
    """All of it, for what must not be in there."""


class Collector:
    """`url` is the endpoint; `hang` makes it take requests and answer none."""

    def __init__(self, *, hang: bool = False) -> None:
        self._spans: list[Span] = []
        self._go = threading.Event()
        if not hang:
            self._go.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # http.server's name
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector._go.wait()
                collector._spans += _read(body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's name
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def trace(self, trace_id: str) -> list[Span]:
        return [span for span in list(self._spans) if span.trace == trace_id]

    def spans(self) -> list[Span]:
        return list(self._spans)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._go.set()
        self._server.shutdown()
        self._server.server_close()


def _read(body: bytes) -> list[Span]:
    return [
        Span(
            process=_facts(group.resource.attributes)["service.name"],
            name=span.name,
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            trace=span.trace_id.hex(),
            facts=_facts(span.attributes),
            failed=span.status.code == FAILED,
            raw=span.SerializeToString(),
        )
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def _facts(attributes: Any) -> dict[str, Any]:
    def value(attribute: KeyValue) -> Any:
        return getattr(attribute.value, attribute.value.WhichOneof("value") or "string_value")

    return {attribute.key: value(attribute) for attribute in attributes}
