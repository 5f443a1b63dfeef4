"""The export of spans by OpenTelemetry's SDK, which is loaded only if traces are wanted.

The SDK itself reads OpenTelemetry's variables for sampling, batches, headers, certificates and time-outs.
"""

import os
import socket
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

_QUERY = "url.query"


def provider(process: str) -> TracerProvider:
    ours = {
        "service.name": f"catalog-{process}",
        "service.namespace": "rakuten-catalog",
        "service.version": version("rakuten-catalog"),
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
    }
    resource = Resource.create({**ours, **OTELResourceDetector().detect().attributes})
    made = TracerProvider(resource=resource, shutdown_on_exit=False)  # it would wait half a minute for a dead collector
    made.add_span_processor(_WithoutQuery())
    # By default 2,048 spans may wait (OTEL_BSP_MAX_QUEUE_SIZE), and more are dropped: traces must not hold work up.
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


class _WithoutQuery(SpanProcessor):
    """Redacts a request's query, which may hold a webhook's URL with its secrets."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        if span.attributes and _QUERY in span.attributes:
            span.set_attribute(_QUERY, "REDACTED")
