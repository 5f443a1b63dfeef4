"""What one client may take of the service's connections and patience."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from api.http.server import descriptors
from shared.tenants.api_keys import Scope
from tests.integration.connections.conftest import Service
from tests.integration.connections.sockets import head, read_answer
from tests.waiting import wait_for

MANY = 1100
"""More than the descriptors that a login shell allows."""


@contextmanager
def silent(service: Service, count: int, sources: int = 1) -> Iterator[list[socket.socket]]:
    """Connections that say nothing, from as many addresses."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(service.server.connect(f"127.0.0.{1 + number % sources}")) for number in range(count)
        ]


def ended(connection: socket.socket) -> bool:
    patience = connection.gettimeout()
    connection.setblocking(False)
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        connection.settimeout(patience)


def test_the_limit_of_descriptors_is_raised_at_the_start(service: Service) -> None:
    limits = Path(f"/proc/{service.process.pid}/limits").read_text()
    (line,) = (line for line in limits.splitlines() if line.startswith("Max open files"))
    soft, hard = line.split()[3:5]
    assert int(soft) == (descriptors.WANTED if hard == "unlimited" else min(int(hard), descriptors.WANTED))
    assert f"descriptors: the soft limit was raised from 1,024 to {int(soft):,}" in service.process.log.read_text()


@pytest.mark.parametrize("sources", [1, 40])
def test_silent_connections_keep_nobody_out(service: Service, http: httpx.Client, sources: int) -> None:
    with silent(service, MANY, sources) as connections:
        for _ in range(20):
            with httpx.Client(base_url=service.server.url, headers=service.authorization) as another:
                assert another.get("/v1/models").status_code == 200
        wait_for("the silent ones are closed", lambda: all(map(ended, connections)), pause_s=0.5)
    assert http.get("/v1/models").status_code == 200
    wait_for("it is logged", lambda: "connections were closed: " in service.process.log.read_text())


def test_connections_of_one_address_are_bounded(service: Service) -> None:
    with silent(service, 300, sources=1) as connections:
        wait_for("the oldest make room", lambda: sum(map(ended, connections[:44])) == 44)
        with silent(service, 1) as (elsewhere,):
            assert not ended(elsewhere)


def test_requests_in_progress_are_not_given_up_for_others(service: Service, http: httpx.Client) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(service.server.connect("127.0.0.50")) for _ in range(256)]
        for connection in held:
            connection.sendall(head("POST", "/v1/jobs", {"Content-Length": 10, **service.authorization}))
        health = head("GET", "/health/live")
        with service.server.connect("127.0.0.50") as late:
            late.sendall(health)
            answer = read_answer(late)
        assert (answer.status, answer.problem) == (429, "too-many-connections")
        assert int(answer.headers["retry-after"]) > 0
        with service.server.connect("127.0.0.51") as other:
            other.sendall(health)
            assert other.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert not any(ended(connection) for connection in held)


@pytest.mark.parametrize(
    "begun",
    [b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"\r\n", head("GET", "/health/live") + b"GET /health"],
)
def test_a_head_that_never_ends_is_not_waited_for(service: Service, begun: bytes) -> None:
    with service.server.connect() as connection:
        connection.sendall(begun)
        if begun.endswith(b"GET /health"):
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.settimeout(1)

        def closed() -> bool:
            """Whether it is, after one more byte."""
            try:
                connection.sendall(b"X" if begun != b"\r\n" else b"\r\n")
                return connection.recv(65536).startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 ")) or ended(connection)
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        wait_for("the connection is closed", closed)


@pytest.mark.parametrize("piece", [b"", b" "])
def test_a_body_that_never_comes_is_not_waited_for(service: Service, piece: bytes) -> None:
    with service.server.connect() as connection:
        connection.sendall(head("POST", "/v1/jobs", {"Content-Length": 10_000, **service.authorization}))
        connection.settimeout(1)

        def refused() -> bool:
            """Whether it is, after one more byte."""
            try:
                connection.sendall(piece)
                received = connection.recv(65536)
            except TimeoutError:
                return False
            while b":too-slow" not in received and (more := connection.recv(65536)):
                received += more
            assert received.startswith(b"HTTP/1.1 408 ")
            assert b":too-slow" in received
            return True

        wait_for("the request is refused", refused)


def test_one_key_holds_a_bounded_number_of_streams_and_waits(service: Service, http: httpx.Client) -> None:
    url = http.post("/v1/jobs", json={"items": [{"id": "sku-1", "title": "Lampe"}]}).json()["url"]
    _, another = service.keys.create("shop", [Scope.CLASSIFY])
    with ExitStack() as stack:
        streams = [stack.enter_context(http.stream("GET", f"{url}/events")) for _ in range(20)]
        assert {stream.status_code for stream in streams} == {200}
        for held in (http.get(f"{url}/events"), http.get(url, params={"wait": 5})):
            assert (held.status_code, held.json()["type"].rpartition(":")[2]) == (429, "too-many-waiting")
            assert int(held.headers["Retry-After"]) > 0
        assert http.get(url).status_code == 200
        other = {"Authorization": f"Bearer {another}"}
        assert http.get(url, params={"wait": 0.1}, headers=other).status_code == 200
        streams[0].close()
        wait_for("there is room again", lambda: http.get(url, params={"wait": 0.1}).status_code == 200)
    http.post(f"{url}/cancel")
