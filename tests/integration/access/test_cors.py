"""Web pages of other origins: which may call the API, and what a proxy in front of it says of the scheme."""

from collections.abc import Iterator
from ipaddress import ip_network

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from pydantic import ValidationError
from redis import Redis

from api.app import create_app
from shared.settings import Settings
from shared.tenants.api_keys import KeyStore, Scope
from tests.http import client_of

SHOP, OTHER = "https://shop.example", "https://other.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-encoding,content-type,idempotency-key,traceparent",
}


@pytest.fixture
def settings(redis_port: int, redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    url = f"redis://127.0.0.1:{redis_port}"
    return Settings(
        redis_url=f"{url}/0",
        broker_url=f"{url}/1",
        blob_url=tmp_path_factory.mktemp("blobs").as_uri(),
        confirm_on_disk=False,
        max_body_bytes=10_000,
        rate_limit="4/minute",
        cors_origins=(SHOP, "http://localhost:3000"),
        proxy_addresses=(ip_network("10.1.0.0/16"),),
    )


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    app = create_app(settings)

    @app.get("/broken")
    def broken() -> None:
        raise ValueError("this fails on purpose")

    return app


@pytest.fixture
def key(redis: Redis) -> str:
    _, key = KeyStore(redis).create("shop", {Scope.CLASSIFY})
    return key


@pytest.fixture
def page(app: FastAPI, key: str) -> Iterator[httpx.Client]:
    """A page's calls, with a key."""
    with client_of(app, "203.0.113.9", key) as client:
        client.headers["Origin"] = SHOP
        yield client


def _opened(answer: httpx.Response) -> tuple[str | None, bool]:
    """The origin that may read the answer, and whether a cache knows that it depends on it."""
    return answer.headers.get("access-control-allow-origin"), "Origin" in answer.headers.get("vary", "")


def test_a_preflight_needs_no_key_and_costs_nothing_of_its_limit(page: httpx.Client) -> None:
    for _ in range(9):
        asked = page.options("/v1/jobs", headers={**PREFLIGHT, "Authorization": ""})
        assert (asked.status_code, _opened(asked)) == (200, (SHOP, True))
        assert asked.headers["x-content-type-options"] == "nosniff"
        assert asked.headers["x-request-id"]
        assert "access-control-allow-credentials" not in asked.headers
    assert page.get("/v1/quota").headers["ratelimit"].startswith('"default";r=3;')


def test_another_origin_is_told_nothing(page: httpx.Client) -> None:
    asked = page.options("/v1/jobs", headers={**PREFLIGHT, "Origin": OTHER})
    assert (asked.status_code, _opened(asked)[0]) == (400, None)
    assert _opened(page.get("/v1/quota", headers={"Origin": OTHER})) == (None, True)


def test_answers_and_errors_of_every_kind_can_be_read(app: FastAPI, key: str) -> None:
    broken = TestClient(app, raise_server_exceptions=False, client=("203.0.113.9", 1), headers={"Origin": SHOP})
    with broken:
        held = {"Authorization": f"Bearer {key}"}
        answers = [
            broken.post("/v1/jobs", json={"items": [{"title": "Lampe"}]}, headers=held),
            broken.post("/v1/jobs", content=bytes(20_000), headers=held),
            broken.post("/v1/jobs", content=b"x", headers={**held, "Content-Encoding": "br"}),
            broken.post("/v1/trainings", json={}, headers=held),
            broken.get("/v1/quota", headers=held),
            broken.get("/v1/quota"),
            broken.get("/none"),
            broken.get("/broken"),
        ]
    assert [answer.status_code for answer in answers] == [202, 413, 415, 403, 429, 401, 404, 500]
    for answer in answers:
        assert _opened(answer) == (SHOP, True)
        assert {"Location", "Retry-After", "X-Request-ID", "ETag", "RateLimit"} <= {
            *answer.headers["access-control-expose-headers"].split(", ")
        }
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-request-id"]
    assert answers[-1].json()["type"].endswith(":internal-error")


def test_by_default_no_origin_may_call(settings: Settings, key: str) -> None:
    with client_of(create_app(settings.model_copy(update={"cors_origins": ()})), "203.0.113.9", key) as client:
        assert client.options("/v1/jobs", headers={"Origin": SHOP, **PREFLIGHT}).status_code == 405
        assert _opened(client.get("/v1/quota", headers={"Origin": SHOP})) == (None, False)


@pytest.mark.parametrize("text", ["*", "https://*.example", "shop.example", "https://shop.example/", "null", "file://"])
def test_what_is_no_origin_stops_the_start(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_CORS_ORIGINS", f"{SHOP},{text}")
    with pytest.raises(ValidationError, match="an origin is a scheme and a host"):
        Settings()


def test_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_CORS_ORIGINS", f"{SHOP}, http://localhost:3000, http://[::1]:8080")
    assert Settings().cors_origins == (SHOP, "http://localhost:3000", "http://[::1]:8080")


@pytest.mark.parametrize(("address", "scheme"), [("10.1.2.3", "https"), ("10.2.2.3", "http"), ("203.0.113.9", "http")])
def test_only_a_known_proxy_says_that_the_client_uses_https(app: FastAPI, key: str, address: str, scheme: str) -> None:
    @app.get("/where")
    def where(request: Request) -> str:
        return str(request.url)

    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.7", "Host": "catalog.example"}
    with client_of(app, address, key) as client:
        assert client.get("/where", headers=headers).json() == f"{scheme}://catalog.example/where"
        made = client.post("/v1/jobs/", json={"items": [{"title": "Lampe"}]}, headers=headers)
    assert made.headers["location"] == made.json()["url"] == f"/v1/jobs/{made.json()['id']}"
    assert "http://" not in made.text
