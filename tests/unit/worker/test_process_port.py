"""What a process says of itself over HTTP, and when it counts as standing still."""

from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from stack.processes import free_port
from worker.process_port import serve
from worker.vitals import Pulse, Vitals


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def vitals() -> Vitals:
    return Vitals()


@pytest.fixture
def server(vitals: Vitals) -> Iterator[ThreadingHTTPServer]:
    server = serve(free_port(), vitals)
    assert server is not None
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def port(server: ThreadingHTTPServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}") as client:
        yield client


def test_a_pulse_stands_still_once_it_has_been_silent_for_too_long() -> None:
    clock = Clock()
    pulse = Pulse("the heart", 30, clock)
    clock.now += 1000
    assert pulse.trouble() is None, "it has not begun"
    pulse.beat()
    clock.now += 30
    assert pulse.trouble() is None
    clock.now += 1
    assert pulse.trouble() == "the heart has stood still for 31 s"
    pulse.beat()
    assert pulse.trouble() is None


def test_a_pulse_that_rests_may_be_silent() -> None:
    clock = Clock()
    pulse = Pulse("the loop", 30, clock)
    pulse.beat()
    pulse.rest()
    clock.now += 1000
    assert pulse.trouble() is None


def test_live_and_ready_say_what_is_wrong(port: httpx.Client, vitals: Vitals) -> None:
    assert port.get("/live").json() == {"status": "pass"}
    assert port.get("/ready").status_code == 503
    assert port.get("/ready").json() == {"status": "fail", "reasons": ["it is starting"]}
    troubles: list[str] = ["no model"]
    vitals.must_be_ready(lambda: troubles[0] if troubles else None)
    vitals.start()
    assert port.get("/ready?verbose=1").json()["reasons"] == ["no model"]
    troubles.clear()
    assert (port.get("/ready").status_code, port.get("/ready").json()) == (200, {"status": "pass"})
    vitals.must_live(lambda: "the heart has stopped")
    assert (port.get("/live").status_code, port.get("/live").json()["reasons"]) == (503, ["the heart has stopped"])


def test_metrics_are_in_prometheus_format(port: httpx.Client) -> None:
    answer = port.get("/metrics").raise_for_status()
    assert "process_resident_memory_bytes" in {family.name for family in text_string_to_metric_families(answer.text)}
    assert port.get("/elsewhere").status_code == 404


def test_a_port_that_is_taken_is_logged_and_harms_nothing(
    server: ThreadingHTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert serve(server.server_port, Vitals()) is None
    assert f"the port {server.server_port} (CATALOG_PROCESS_PORT) cannot be had" in caplog.text
