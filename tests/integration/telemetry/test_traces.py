"""Traces of a running stack, as a collector gets them."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from shared.settings import ROOT
from stack.processes import Process, free_port
from stack.receiver import WebhookReceiver
from stack.services import Stack
from tests.collector import Collector, Span
from tests.integration.conftest import traced
from tests.integration.telemetry.test_logs import lines
from tests.pictures import in_base64, jpeg
from tests.waiting import finished, wait_for

WORK = "classify chunk"


@pytest.fixture(scope="module")
def caller(observed: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=observed.url, timeout=60) as client:
        yield client


def new_parent(*, sampled: bool = True) -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-{'01' if sampled else '00'}"


def named(spans: list[Span], name: str) -> list[Span]:
    return [span for span in spans if span.name == name]


def whole(collector: Collector, trace_id: str, **counts: int) -> list[Span]:
    """The trace, once it has this many spans of each name (blanks as underscores)."""
    wanted = {name.replace("_", " "): count for name, count in counts.items()}

    def there() -> list[Span] | None:
        spans = collector.trace(trace_id)
        found = Counter(span.name for span in spans)
        return spans if all(found[name] >= count for name, count in wanted.items()) else None

    return wait_for(f"{wanted} are in the trace", there)


@dataclass(frozen=True)
class TracedJob:
    """A finished job of two chunks, one broken item and a webhook that failed once, with its trace."""

    id: str
    trace_id: str
    caller_span: str
    spans: list[Span]
    traceparents_sent: list[str]
    """The headers `traceparent` of the webhook's attempts."""

    @property
    def request(self) -> Span:
        (span,) = named(self.spans, "POST /v1/jobs")
        return span

    @property
    def attempts(self) -> list[Span]:
        return sorted(named(self.spans, "deliver webhook"), key=lambda span: span.facts["catalog.attempt"])


@pytest.fixture(scope="module")
def traced_job(observed: Stack, collector: Collector, caller: httpx.Client) -> TracedJob:
    parent = new_parent()
    trace_id, caller_span = parent.split("-")[1:3]
    pictures = [{"id": f"p{n}", "image": {"base64": in_base64(jpeg("red", (40 + n, 40)))}} for n in range(20)]
    items = [{"id": "pool", "title": "Piscine gonflable"}, {"id": "broken", "image": {"base64": "AAAA"}}, *pictures]
    with WebhookReceiver(observed.webhook_secret, statuses=[503]) as receiver:
        answer = caller.post(
            "/v1/jobs",
            params={"webhook_url": receiver.url.replace("//", "//shop:pssst@")},
            json={"items": items},
            headers={"traceparent": parent},
        )
        receiver.received.get(timeout=30)
        sent = [headers["traceparent"] for headers, _ in receiver.requests]
    job = answer.raise_for_status().json()
    assert job["trace_id"] == finished(caller, job["url"])["trace_id"] == trace_id
    spans = whole(collector, trace_id, **{WORK.replace(" ", "_"): 2, "deliver_webhook": 2, "log_to_MLflow": 1})
    return TracedJob(job["id"], trace_id, caller_span, spans, sent)


def test_trace_of_a_job_leads_from_its_request_to_its_chunks(traced_job: TracedJob, caller: httpx.Client) -> None:
    spans, request = traced_job.spans, traced_job.request
    assert (request.process, request.parent) == ("catalog-api", traced_job.caller_span)
    assert (request.facts["http.response.status_code"], request.facts["catalog.job"]) == (202, traced_job.id)
    chunks = named(spans, WORK)
    assert {chunk.facts["catalog.chunk"] for chunk in chunks} == {0, 1}
    assert sum(chunk.facts["catalog.items"] for chunk in chunks) == 22
    assert sum(chunk.facts["catalog.items.failed"] for chunk in chunks) == 1
    bundle = caller.get("/health").json()["bundles"][0]
    for chunk in chunks:
        facts = {"catalog.job": traced_job.id, "catalog.lane": "bulk", "catalog.attempt": 1, "catalog.bundle": bundle}
        assert facts.items() <= chunk.facts.items()
        assert (chunk.process, chunk.parent) == ("catalog-worker", request.id)
        below = [span.name for span in spans if span.parent == chunk.id]
        assert sorted(below) == ["commit", "compute", "compute texts", "prepare pictures"]


def test_trace_of_a_job_holds_its_deliveries_and_nothing_secret(traced_job: TracedJob) -> None:
    spans, request, attempts = traced_job.spans, traced_job.request, traced_job.attempts
    assert [attempt.facts["http.response.status_code"] for attempt in attempts] == [503, 204]
    assert [attempt.failed for attempt in attempts] == [True, False]
    assert {(span.process, span.parent) for span in attempts} == {("catalog-courier", request.id)}
    assert traced_job.traceparents_sent == [f"00-{traced_job.trace_id}-{attempt.id}-01" for attempt in attempts]
    (tracking,) = named(spans, "log to MLflow")
    assert (tracking.process, tracking.parent) == ("catalog-courier", request.id)
    ids = {span.id for span in spans}
    assert all(span.parent in ids for span in spans if span is not request)
    assert len(spans) == 1 + 2 * 5 + 2 + 1, "a constant number per chunk and attempt, none per item"
    assert not any(b"pssst" in span.raw or b"Piscine" in span.raw for span in spans)


def test_log_lines_of_a_job_carry_its_trace(traced_job: TracedJob, observed: Stack) -> None:
    trace_id = traced_job.trace_id
    logged = wait_for("the deliveries are logged", lambda: lines(observed, "courier", trace_id=trace_id))
    assert {line["span_id"] for line in logged} <= {attempt.id for attempt in traced_job.attempts}
    (accepted,) = lines(observed, "api", job=traced_job.id)
    assert (accepted["trace_id"], accepted["span_id"]) == (trace_id, traced_job.request.id)
    (failing,) = lines(observed, "worker", job=traced_job.id, item="broken")
    assert failing["trace_id"] == trace_id


def test_predict_is_traced_through_the_worker(collector: Collector, caller: httpx.Client) -> None:
    parent = new_parent()
    answer = caller.post("/predict", json={"description": "Lampe"}, headers={"traceparent": parent})
    spans = whole(collector, parent.split("-")[1], POST__predict=0, classify_chunk=1, commit=1, compute=1)
    wait_for("the request's span", lambda: named(collector.trace(spans[0].trace), "POST /predict"))
    (chunk,) = named(spans, WORK)
    assert chunk.facts["catalog.lane"] == "interactive"
    assert chunk.facts["catalog.job"] == answer.raise_for_status().json()["job_id"]


def test_unsampled_requests_leave_no_spans(collector: Collector, caller: httpx.Client) -> None:
    unsampled, sampled = new_parent(sampled=False), new_parent()
    for parent in (unsampled, sampled):
        caller.post("/predict", json={"description": "Table"}, headers={"traceparent": parent}).raise_for_status()
    # The second one's spans were made after the first one's would have been, by the same processes.
    whole(collector, sampled.split("-")[1], classify_chunk=1, commit=1)
    assert collector.trace(unsampled.split("-")[1]) == []


def test_probes_are_not_traced(collector: Collector, caller: httpx.Client) -> None:
    parent, after = new_parent(), new_parent()
    caller.get("/health/live", headers={"traceparent": parent})
    caller.get("/v1/models", headers={"traceparent": after})
    wait_for("the other one is traced", lambda: collector.trace(after.split("-")[1]))
    assert collector.trace(parent.split("-")[1]) == []


@pytest.mark.parametrize(
    "environment", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://nobody", "OTEL_SDK_DISABLED": "true"}]
)
def test_tracing_sdk_is_not_loaded_without_the_variable(environment: dict[str, str]) -> None:
    """In the processes' own order: the modules, what a start sets up, and a step."""
    code = """
import sys, api.app, worker.tasks
from shared.telemetry import tracing
api.app.create_app()
tracing.start("worker")
with tracing.span("step"):
    assert tracing.traceparent() is None
print([name for name in sys.modules if name.startswith(("opentelemetry.sdk.trace", "opentelemetry.exporter"))])
"""
    env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | environment
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_hanging_collector_does_not_delay_the_exit(observed: Stack) -> None:
    with Collector(hang=True) as hanging:
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app", "--port", str(port)]
        log = observed.state / "hanging.log"
        process = Process("hanging", command, log, {**observed.env, **traced(hanging)}, ROOT)
        try:
            process.wait_until(lambda: _answers(port), timeout_s=60)
            begun = time.monotonic()
            os.kill(process.pid, signal.SIGTERM)
            wait_for("it ends", lambda: not process.running, 30)
            assert time.monotonic() - begun < 5
        finally:
            process.stop()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v1/models", timeout=5).is_success
    except httpx.HTTPError:
        return False
