"""What is read of a request, and in which order: its head, the key, its body; each within a bound."""

import gzip
import json
import os
from collections.abc import Iterator

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from api.app import create_app
from shared.settings import Settings
from tests.integration.connections.conftest import Service
from tests.integration.connections.sockets import head

MB = 10**6
PIECE = os.urandom(MB)
JSON = {"Content-Type": "application/json"}
_ITEM = json.dumps({"items": [{"id": "sku-1", "title": "Lampe"}]}).encode()


def pieces(megabytes: int) -> Iterator[bytes]:
    for _ in range(megabytes):
        yield PIECE


def routes_with_bodies() -> list[str]:
    return sorted(
        route.path.replace("{", "0").replace("}", "0")
        for route in iter_route_contexts(create_app(Settings()).routes)
        if "POST" in (route.methods or ()) and route.path
    )


CONSOLE = "/console/"
OPEN_FORMS = {f"{CONSOLE}{name}" for name in ("sign-in", "sign-out", "settings")}
"""They need no key: a form of theirs has to come before it is answered."""


@pytest.mark.parametrize("path", [path for path in routes_with_bodies() if not path.startswith(CONSOLE)])
def test_a_wrong_key_is_answered_before_the_body_has_come(service: Service, path: str) -> None:
    announced: dict[str, object] = {**JSON, "Content-Length": 300 * MB}
    wrong: dict[str, object] = {"Authorization": f"Bearer {service.key}0"}
    for headers in (announced, announced | wrong):
        answer = service.server.ask(head("POST", path, headers))  # and nothing of the body
        assert (answer.status, answer.problem) in ((401, "unauthorized"), (429, "rate-limited"))
        assert answer.headers["connection"] == "close"


def console_forms() -> list[str]:
    return [path for path in routes_with_bodies() if path.startswith(CONSOLE) and path not in OPEN_FORMS]


@pytest.mark.parametrize("path", console_forms())
def test_a_stranger_is_sent_to_the_sign_in_before_the_form_has_come(service: Service, path: str) -> None:
    announced: dict[str, object] = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": 1000}
    answer = service.server.ask(head("POST", path, announced))
    assert answer.status in (303, 429)
    assert answer.headers["connection"] == "close"


def test_large_bodies_cost_no_memory(service: Service) -> None:
    before = service.resident_mb()
    for path in ("/v1/trainings", "/v1/models/1/promote", "/v1/models/rollback", "/v1/jobs", "/predict", "/none"):
        announced: dict[str, object] = {**JSON, "Content-Length": 300 * MB}
        refused = service.server.ask([head("POST", path, announced), *pieces(300)])
        assert refused.status in (401, 404, 429)
        if path in ("/v1/jobs", "/none"):
            continue
        chunked: dict[str, object] = {**JSON, "Transfer-Encoding": "chunked"}
        chunks = (b"%x\r\n%s\r\n" % (MB, PIECE) for _ in range(300))
        for headers, body in ((announced, pieces(300)), (chunked, chunks)):
            answer = service.server.ask([head("POST", path, headers | service.authorization), *body])
            assert (answer.status, answer.problem) == (413, "body-too-large"), path
    assert service.resident_mb() - before < 200


@pytest.mark.parametrize("path", ["/v1/trainings", "/v1/models/rollback", "/predict"])
def test_a_body_that_grows_a_thousandfold_costs_no_memory(service: Service, http: httpx.Client, path: str) -> None:
    packed = gzip.compress(bytes(60 * MB))
    assert len(packed) < 60_000
    before = service.resident_mb()
    answer = http.post(path, content=packed, headers={**JSON, "Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["type"].endswith(":body-too-large")) == (413, True)
    assert service.resident_mb() - before < 40


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip"])
def test_another_coding_is_refused_with_those_that_are_read(http: httpx.Client, coding: str) -> None:
    for path in ("/v1/jobs", "/v1/labels", "/v1/trainings", "/predict"):
        answer = http.post(path, content=_ITEM, headers={**JSON, "Content-Encoding": coding})
        assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip, identity")
        assert answer.json()["type"].endswith(":unsupported-content-encoding")


def test_a_compressed_request_is_the_same_as_one_that_is_not(http: httpx.Client) -> None:
    key = {"Idempotency-Key": "packed-or-not"}
    first = http.post("/v1/jobs", content=_ITEM, headers=JSON | key)
    for coding in ("gzip", "X-GZIP"):
        headers = {**JSON, **key, "Content-Encoding": coding}
        again = http.post("/v1/jobs", content=gzip.compress(_ITEM), headers=headers)
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    ("start", "filler", "status", "problem"),
    [
        (b"GET /", b"a", 414, "uri-too-long"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ", b"a", 431, "headers-too-large"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"X-Many: a\r\n", 431, "headers-too-large"),
    ],
)
def test_heads_are_bounded(service: Service, start: bytes, filler: bytes, status: int, problem: str) -> None:
    before = service.resident_mb()
    answer = service.server.ask([start, *(filler * (MB // len(filler)) for _ in range(200))])
    assert (answer.status, answer.problem) == (status, problem)
    # One that comes whole in one piece, which h11 alone would accept.
    whole = start + filler * (20_000 // len(filler))
    whole += b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" if status == 414 else b"\r\n\r\n"
    answer = service.server.ask(whole)
    assert (answer.status, answer.problem) == (status, problem)
    assert service.resident_mb() - before < 100


def test_heads_within_the_bounds_are_read(http: httpx.Client) -> None:
    query = "status=failed&" * 500
    assert http.get(f"/v1/jobs/{'0' * 24}/results?{query}", headers={"X-Long": "a" * 7000}).status_code == 404


@pytest.mark.parametrize(
    ("request_", "status", "problem"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "malformed-request"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "malformed-request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "malformed-request"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "not-implemented"),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431, None),
    ],
)
def test_what_is_not_http_gets_a_problem_document(
    service: Service, request_: bytes, status: int, problem: str | None
) -> None:
    with service.server.connect() as connection:
        connection.sendall(request_)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 %d " % status)
    if problem:
        assert json.loads(received.partition(b"\r\n\r\n")[2])["type"].endswith(problem)
    else:
        assert received.endswith(b"\r\n\r\n")


def test_an_offer_to_upgrade_keeps_its_body(service: Service) -> None:
    """Java's HTTP client sends this to every server without TLS."""
    offer = {
        **JSON,
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
        "Content-Length": len(_ITEM),
        **service.authorization,
    }
    with service.server.connect() as connection:
        connection.sendall(head("POST", "/v1/jobs", offer) + _ITEM)
        received = b""
        while b'"total":1' not in received and (piece := connection.recv(65536)):  # the connection stays open
            received += piece
    assert received.startswith(b"HTTP/1.1 202 ")
    assert b'"total":1' in received


def test_http_1_0_is_answered_without_chunks(service: Service, http: httpx.Client) -> None:
    job = http.post("/v1/jobs", json={"items": [{"id": "sku-1", "title": "Lampe"}]}).json()
    http.post(f"{job['url']}/cancel")
    whole = http.get(f"{job['url']}/events")
    assert whole.headers["Transfer-Encoding"] == "chunked"
    old = service.server.ask(head("GET", f"{job['url']}/events", service.authorization, version="1.0"))
    assert (old.status, old.body) == (200, whole.content)
    assert "transfer-encoding" not in old.headers


def test_a_client_that_sends_all_before_it_reads_gets_the_answer(service: Service) -> None:
    """The connection must not be reset while it still sends."""
    body = b"[" + PIECE * 20
    with httpx.Client(base_url=service.server.url) as client:
        assert client.post("/v1/trainings", content=body, headers=JSON).status_code in (401, 429)
        assert client.post("/v1/trainings", content=body, headers=service.authorization | JSON).status_code == 413
