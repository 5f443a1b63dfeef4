"""The process port: metrics, liveness and readiness over HTTP; and the watchdog behind them."""

from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from stack.processes import free_port
from worker.process.health import ProcessHealth, Watchdog
from worker.process.port import serve


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def health() -> ProcessHealth:
    return ProcessHealth()


@pytest.fixture
def server(health: ProcessHealth) -> Iterator[ThreadingHTTPServer]:
    server = serve(free_port(), health)
    assert server is not None
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def port(server: ThreadingHTTPServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.server_port}") as client:
        yield client


def test_watchdog_reports_too_long_a_silence() -> None:
    clock = Clock()
    watchdog = Watchdog("the heartbeat", 30, clock)
    clock.now += 1000
    assert watchdog.problem() is None, "it has not begun"
    watchdog.beat()
    clock.now += 30
    assert watchdog.problem() is None
    clock.now += 1
    assert watchdog.problem() == "the heartbeat has stood still for 31 s"
    watchdog.beat()
    assert watchdog.problem() is None


def test_paused_watchdog_reports_nothing() -> None:
    clock = Clock()
    watchdog = Watchdog("the loop", 30, clock)
    watchdog.beat()
    watchdog.pause()
    clock.now += 1000
    assert watchdog.problem() is None


def test_live_and_ready_give_the_reasons(port: httpx.Client, health: ProcessHealth) -> None:
    assert port.get("/live").json() == {"status": "pass"}
    assert port.get("/ready").status_code == 503
    assert port.get("/ready").json() == {"status": "fail", "reasons": ["it is starting"]}
    problems: list[str] = ["no model"]
    health.add_readiness_check(lambda: problems[0] if problems else None)
    health.mark_started()
    assert port.get("/ready?verbose=1").json()["reasons"] == ["no model"]
    problems.clear()
    assert (port.get("/ready").status_code, port.get("/ready").json()) == (200, {"status": "pass"})
    health.add_liveness_check(lambda: "the heartbeat has stopped")
    assert (port.get("/live").status_code, port.get("/live").json()["reasons"]) == (503, ["the heartbeat has stopped"])


def test_metrics_are_in_prometheus_format(port: httpx.Client) -> None:
    answer = port.get("/metrics").raise_for_status()
    assert "process_resident_memory_bytes" in {family.name for family in text_string_to_metric_families(answer.text)}
    assert port.get("/elsewhere").status_code == 404


def test_port_in_use_is_logged_and_ignored(server: ThreadingHTTPServer, caplog: pytest.LogCaptureFixture) -> None:
    assert serve(server.server_port, ProcessHealth()) is None
    assert f"the port {server.server_port} (CATALOG_PROCESS_PORT) cannot be opened" in caplog.text
