"""Traces by OpenTelemetry: off, and then only no-ops, unless OpenTelemetry's own variables name where they go.

A trace crosses the queue in the job's record, as a `traceparent` (W3C Trace Context): Celery's messages are wake-ups,
which belong to no job.
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
"""What a span says, by name: figures and ids, no text of an item."""

_FLUSH_S = 2.0
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_on = Event()
_tracer = trace.get_tracer("rakuten-catalog")
_w3c = TraceContextTextMapPropagator()


def start(process: str) -> None:
    """Export the spans of this process, where the environment says to whom; it is told when they cannot be."""
    if not _wanted():
        return
    try:
        from shared.telemetry import tracing_sdk  # with what only the extra `tracing` brings
    except ImportError as error:
        log.error("there are no traces, although OTEL_… asks for them: install the extra 'tracing': %s", error)
        return
    trace.set_tracer_provider(tracing_sdk.provider(process))
    _on.set()


def finish() -> None:
    """Send what is left of the spans; a collector that is away does not hold up the end."""
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
    """A step of the work. One that fails says by which error; what the error says is in the log only.

    Args:
        within: The `traceparent` of another process' span; by default it is within the step that is under way here.
    """
    if not _on.is_set():
        yield trace.INVALID_SPAN  # which takes facts and keeps none
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
    """Mark a step as failed: `error` is a kind of error, nothing that it was about."""
    failed.set_attribute("error.type", error)
    failed.set_status(StatusCode.ERROR)


def current_span() -> Span:
    """The step that is under way here."""
    return trace.get_current_span()


def traceparent() -> str | None:
    """What leads others to the step that is under way here."""
    carrier: dict[str, str] = {}
    _w3c.inject(carrier)
    return carrier.get("traceparent")


def trace_id(traceparent: str | None) -> str | None:
    return traceparent.split("-")[1] if traceparent else None


def ids() -> dict[str, str]:
    """Trace and span of the step that is under way here, for its lines in the log."""
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
