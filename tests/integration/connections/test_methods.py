"""HEAD for GET, and a slash at the end of a path."""

import httpx
import pytest

from tests.integration.connections.conftest import Service
from tests.integration.connections.sockets import head


@pytest.mark.parametrize(
    "path", ["/health", "/health/live", "/metrics", "/docs", "/v1/models", "/v1/jobs/none", "/none"]
)
def test_head_is_answered_as_get_without_a_body(http: httpx.Client, path: str) -> None:
    told, asked = http.head(path), http.get(path)
    assert (told.status_code, told.content) == (asked.status_code, b"")
    kept = set(asked.headers) - {"date", "x-request-id"}
    assert kept <= set(told.headers)
    assert told.headers["content-type"] == asked.headers["content-type"]


def test_head_of_a_stream_ends(http: httpx.Client) -> None:
    url = http.post("/v1/jobs", json={"items": [{"title": "Lampe"}]}).json()["url"]
    told = http.head(f"{url}/events")
    http.post(f"{url}/cancel")
    assert (told.status_code, told.content) == (200, b"")


def test_head_needs_a_key_as_get_does(service: Service) -> None:
    assert httpx.head(f"http://127.0.0.1:{service.server.port}/v1/models").status_code == 401


def test_a_slash_at_the_end_changes_nothing(http: httpx.Client) -> None:
    made = http.post("/v1/jobs/", json={"items": [{"title": "Lampe"}]})
    assert made.status_code == 202
    url = made.json()["url"]
    assert http.get(f"{url}/").json()["id"] == made.json()["id"]
    assert http.post(f"{url}/cancel/").status_code == 200
    assert http.get("/none/").status_code == 404


def test_a_slash_at_the_end_opens_nothing(service: Service) -> None:
    assert service.server.ask(head("GET", "/v1/models/", {"Connection": "close"})).status == 401
