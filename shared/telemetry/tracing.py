"""Traces by OpenTelemetry: only no-ops unless OpenTelemetry's own variables name a collector.

A trace crosses the queue in the job's record, as a `traceparent` (W3C Trace Context), because Celery's messages belong
to no job.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = ["Facts", "SpanKind", "current_span", "fail", "finish", "ids", "span", "start", "trace_id", "traceparent"]

log = logging.getLogger(__name__)

Facts = Mapping[str, str | int | float | bool]
"""Attributes of a span: figures and ids, never the text of an item."""

_FLUSH_S = 2.0
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_on = Event()
_tracer = trace.get_tracer("rakuten-catalog")
_w3c = TraceContextTextMapPropagator()


def start(process: str) -> None:
    """Export the spans of this process if the environment names a collector; log an error if that is impossible."""
    if not _wanted():
        return
    try:
        from shared.telemetry import tracing_sdk  # needs the packages of the extra `tracing`
    except ImportError as error:
        log.error("there are no traces, although OTEL_… asks for them: install the extra 'tracing': %s", error)
        return
    trace.set_tracer_provider(tracing_sdk.provider(process))
    _on.set()


def finish() -> None:
    """Send the remaining spans; a collector that is away does not delay the end."""
    if flush := getattr(trace.get_tracer_provider(), "force_flush", None):
        sending = Thread(target=flush, name="last-spans", daemon=True)
        sending.start()
        sending.join(_FLUSH_S)


@contextmanager
def span(
    name: str,
    facts: Facts | None = None,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    within: str | None = None,
) -> Iterator[Span]:
    """A step of the work. If it fails, the span has the kind of error; its message is only in the log.

    Args:
        within: The `traceparent` of another process's span; by default the parent is the current span.
    """
    if not _on.is_set():
        yield trace.INVALID_SPAN  # takes attributes and keeps none
        return
    parent = _w3c.extract({"traceparent": within}, Context()) if within else None
    with _tracer.start_as_current_span(
        name, parent, kind, facts, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except Exception as error:
            fail(current, type(error).__name__)
            raise


def fail(failed: Span, error: str) -> None:
    """Mark a step as failed; `error` is the kind of error, without details."""
    failed.set_attribute("error.type", error)
    failed.set_status(StatusCode.ERROR)


def current_span() -> Span:
    """Return the current span."""
    return trace.get_current_span()


def traceparent() -> str | None:
    """Return what makes the current span the parent of spans elsewhere."""
    carrier: dict[str, str] = {}
    _w3c.inject(carrier)
    return carrier.get("traceparent")


def trace_id(traceparent: str | None) -> str | None:
    return traceparent.split("-")[1] if traceparent else None


def ids() -> dict[str, str]:
    """Return the ids of the current trace and span, for lines in the log."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}


def _wanted() -> bool:
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    match os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower():
        case "":
            return any(os.environ.get(name) for name in _ENDPOINTS)
        case "otlp":
            return True
        case "none":
            return False
        case other:
            log.error("there are no traces: OTEL_TRACES_EXPORTER is %r, and only otlp is known here", other)
            return False
