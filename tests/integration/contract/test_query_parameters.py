"""Every operation of the document refuses a query parameter that it does not name."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from shared.settings import Settings
from tests.http import local_client

_OPERATIONS = [
    (method, path, operation)
    for path, item in create_app(Settings()).openapi()["paths"].items()
    for method, operation in item.items()
]


@pytest.fixture(scope="module")
def front(redis_port: int) -> Iterator[TestClient]:
    url = f"redis://127.0.0.1:{redis_port}"
    with local_client(Settings(redis_url=f"{url}/0", broker_url=f"{url}/1")) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "operation"), _OPERATIONS, ids=[operation["operationId"] for *_, operation in _OPERATIONS]
)
def test_an_unknown_parameter_is_named_beside_the_known_ones(
    front: TestClient, method: str, path: str, operation: dict[str, Any]
) -> None:
    answer = front.request(method, path, params={"fromat": "csv"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/query/fromat"
    known = sorted(p["name"] for p in operation.get("parameters", ()) if p["in"] == "query")
    assert error["detail"].endswith(f"known here: {', '.join(known) or 'none'}")
    assert "422" in operation["responses"]
