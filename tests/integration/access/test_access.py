import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from redis import Redis

from api.app import create_app
from shared.settings import ROOT, Settings
from shared.tenants.api_keys import KeyStore, Scope
from stack.processes import Process, free_port
from tests.http import client_of, local_client
from tests.redis_state import change_admin_log, end_key

OPEN = {
    "/health", "/health/live", "/health/ready",
    "/", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json", "/static-offline-docs",
}  # fmt: skip
"""What anybody may read; every other route of the app is tried with every wrong key."""

ELSEWHERE = "203.0.113.9"


@pytest.fixture
def settings(redis_port: int, redis: Redis) -> Settings:
    url = f"redis://127.0.0.1:{redis_port}"
    return Settings(redis_url=f"{url}/0", broker_url=f"{url}/1", rate_limit="5/minute")


@pytest.fixture
def app(settings: Settings) -> Iterator[FastAPI]:
    """An API that runs, over an empty Redis."""
    app = create_app(settings)
    with client_of(app):
        yield app


@pytest.fixture
def keys(redis: Redis) -> KeyStore:
    return KeyStore(redis)


FOR_ANY_KEY = {("GET", "/v1/models"), ("GET", "/v1/quota"), ("GET", "/v1/taxonomy")}
"""Which model serves and the categories are in results anyway; a quota is the caller's own."""


def test_closed_routes_refuse_every_wrong_key(redis_port: int, redis: Redis, keys: KeyStore) -> None:
    url = f"redis://127.0.0.1:{redis_port}"
    app = create_app(Settings(redis_url=f"{url}/0", broker_url=f"{url}/1"))
    key, text = keys.create("shop", set(Scope))
    revoked, revoked_text = keys.create("shop", set(Scope))
    keys.revoke(revoked.id)
    ended, ended_text = keys.create("shop", set(Scope), expires_at=keys.now() + timedelta(days=90))
    end_key(redis, ended.id)
    unknown = f"cat_{'0' * 16}_{'0' * 64}"
    wrong = {
        "none": {},
        "empty": {"Authorization": ""},
        "not Bearer": {"Authorization": f"Basic {text}"},
        "no scheme": {"Authorization": text},
        "in a place of its own": {"X-API-Key": text},
        "without a text": {"Authorization": "Bearer "},
        "malformed": {"Authorization": "Bearer x"},
        "a glob": {"Authorization": "Bearer cat_*_*"},
        "control characters": {"Authorization": f"Bearer {text}\x00\r\n"},
        "not ASCII": {"Authorization": f"Bearer {text}é".encode()},
        "very long": {"Authorization": f"Bearer {text * 1000}"},
        "unknown id": {"Authorization": f"Bearer {unknown}"},
        "wrong secret": {"Authorization": f"Bearer cat_{key.id}_{'0' * 64}"},
        "revoked": {"Authorization": f"Bearer {revoked_text}"},
        "ended": {"Authorization": f"Bearer {ended_text}"},
    }
    tried, address = set(), ip_address("198.18.0.0")
    with client_of(app):
        for method, path, needed in _closed_routes(app):
            assert needed or (method, path) in FOR_ANY_KEY, f"{method} {path} names no scope"
            attempts = [(how, headers, HTTPStatus.UNAUTHORIZED) for how, headers in wrong.items()]
            if needed:
                _, too_little = keys.create("shop", set(Scope) - needed - _enough(needed))
                attempts.append(("scope missing", {"Authorization": f"Bearer {too_little}"}, HTTPStatus.FORBIDDEN))
            for how, headers, expected in attempts:
                address += 1  # each from an address of its own, which has no failures behind it
                response = client_of(app, str(address)).request(method, path, headers=headers)
                assert response.status_code == expected, f"{method} {path} with a key that is {how}: {response.text}"
                assert response.headers["Content-Type"] == "application/problem+json"
                assert ("WWW-Authenticate" in response.headers) == (expected == HTTPStatus.UNAUTHORIZED)
            tried.add(path)
    assert "/predict" in tried


def _closed_routes(app: FastAPI) -> Iterator[tuple[str, str, set[Scope]]]:
    """Method, path and the scopes that it says it needs, of each route that is not open."""
    documented = app.openapi()["paths"]
    for route in iter_route_contexts(app.routes):
        assert route.path, "a route without a path cannot be tried"
        if route.path in OPEN or route.path.startswith("/console"):  # whose pages tests/integration/console tries
            continue
        assert route.methods, f"{route.path} has no methods: try it in a test of its own"
        for method in sorted(route.methods):
            security = documented[route.path][method.lower()].get("security", [])
            needed = {Scope(scope) for way in security for scope in way["ApiKey"]}
            yield method, route.path.replace("{", "0").replace("}", "0"), needed


def _enough(needed: set[Scope]) -> set[Scope]:
    """Wider scopes that allow what these do."""
    return {Scope.CLASSIFY} if Scope.REVIEW in needed else set()


REVIEWS = {
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/{job_id}"),
    ("GET", "/v1/jobs/{job_id}/events"),
    ("GET", "/v1/jobs/{job_id}/items"),
    ("GET", "/v1/jobs/{job_id}/items/{index}/picture"),
    ("GET", "/v1/jobs/{job_id}/items/{index}/explanation"),
    ("GET", "/v1/jobs/{job_id}/results"),
    ("GET", "/v1/decisions"),
    ("POST", "/v1/decisions"),
    ("POST", "/v1/decisions/bulk"),
    ("GET", "/v1/decisions/bulk/{bulk_id}"),
    ("POST", "/v1/decisions/bulk/{bulk_id}/undo"),
    ("POST", "/v1/decisions/undo"),
    ("POST", "/v1/review/next"),
    ("POST", "/v1/review/release"),
    ("GET", "/v1/promise"),
}


def test_a_reviewers_key_sees_results_and_decides_and_does_no_more(app: FastAPI, keys: KeyStore) -> None:
    open_to = {
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        for way in operation.get("security", [])
        if way.get("ApiKey") == [Scope.REVIEW]
    }
    assert open_to == REVIEWS
    _, review = keys.create("shop", [Scope.REVIEW])
    reviewer = client_of(app, ELSEWHERE, review)
    assert reviewer.get("/v1/jobs").status_code == 200
    refused = reviewer.post("/v1/jobs", json={"items": [{"title": "x"}]})
    assert (refused.status_code, refused.json()["scope"]) == (403, "classify")
    _, classify = keys.create("shop", [Scope.CLASSIFY])
    assert client_of(app, ELSEWHERE, classify).get("/v1/decisions").status_code == 200
    for path in (
        "/v1/decisions",
        "/v1/decisions/bulk",
        "/v1/decisions/undo",
        "/v1/review/next",
    ):  # trainings learn what these say
        refused = client_of(app, ELSEWHERE, classify).post(path, json={})
        assert (refused.status_code, refused.json()["scope"]) == (403, "review")
    _, train = keys.create("shop", [Scope.TRAIN])
    refused = client_of(app, ELSEWHERE, train).get("/v1/decisions")
    assert refused.json()["detail"] == "This request needs a key with the scope review or classify; yours has train."


def test_a_key_opens_what_its_scopes_allow(app: FastAPI, keys: KeyStore) -> None:
    _, classify = keys.create("shop", [Scope.CLASSIFY])
    _, train = keys.create("shop", [Scope.TRAIN, Scope.ADMIN])
    assert _let_in(client_of(app, ELSEWHERE, classify))
    refused = client_of(app, ELSEWHERE, train).post("/predict", json=[])
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:rakuten-catalog:problem:forbidden")
    assert refused.json()["scope"] == "classify"
    assert refused.json()["detail"] == "This request needs a key with the scope classify; yours has admin, train."


def test_the_scheme_is_case_insensitive(app: FastAPI, keys: KeyStore) -> None:
    _, text = keys.create("shop", [Scope.CLASSIFY])
    assert _let_in(client_of(app, ELSEWHERE), {"Authorization": f"bearer {text}"})


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("127.0.0.1", {}),
        ("127.0.0.2", {"Host": "localhost:5000"}),
        ("::1", {"Host": "[::1]:5000"}),
        ("127.0.0.1", {"Host": "LOCALHOST", "Origin": "http://localhost:5000", "Sec-Fetch-Site": "same-origin"}),
        ("127.0.0.1", {"X-Request-ID": "nightly", "User-Agent": "Mozilla/5.0", "Sec-Fetch-Site": "none"}),
    ],
)
def test_without_any_key_callers_on_this_machine_are_served(
    app: FastAPI, address: str, headers: dict[str, str]
) -> None:
    client = client_of(app, address)
    assert _let_in(client, headers)
    assert "RateLimit" not in client.post("/predict", json=[], headers=headers).headers


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        (ELSEWHERE, {}),
        ("testclient", {}),
        ("", {}),
        ("127.0.0.1", {"X-Forwarded-For": ELSEWHERE}),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1", {"Forwarded": f"for={ELSEWHERE}"}),
        ("127.0.0.1", {"X-Real-IP": ELSEWHERE}),
        ("127.0.0.1", {"Via": "1.1 proxy"}),
        ("127.0.0.1", {"CF-Connecting-IP": ELSEWHERE}),
        ("127.0.0.1", {"CF-Ray": "8a1b2c3d4e5f6789-CDG"}),
        ("127.0.0.1", {"X-Client-IP": ELSEWHERE}),
        ("127.0.0.1", {"True-Client-IP": ELSEWHERE}),
        ("127.0.0.1", {"X-Cluster-Client-IP": ELSEWHERE}),
        ("127.0.0.1", {"Fastly-Client-IP": ELSEWHERE}),
        ("127.0.0.1", {"X-Azure-ClientIP": ELSEWHERE}),
        ("127.0.0.1", {"X-Forwarded-Server": "proxy"}),
        ("127.0.0.1", {"X-Original-Forwarded-For": ELSEWHERE}),
        ("127.0.0.1", {"X-Original-Host": "catalog.example"}),
        ("127.0.0.1", {"X-ProxyUser-Ip": ELSEWHERE}),
        ("127.0.0.1", {"WL-Proxy-Client-IP": ELSEWHERE}),
        ("127.0.0.1", {"X-Envoy-External-Address": ELSEWHERE}),
        ("127.0.0.1", {"X-Amzn-Trace-Id": "Root=1-67891233-abcdef012345678912345678"}),
        ("127.0.0.1", {"CDN-Loop": "cloudflare"}),
        ("127.0.0.1", {"Sec-Fetch-Site": "cross-site"}),
        ("127.0.0.1", {"Host": "catalog.example"}),
        ("127.0.0.1", {"Host": "localhost.catalog.example"}),
        ("127.0.0.1", {"Host": "127.0.0.1.nip.io:5000"}),
        ("127.0.0.1", {"Host": ""}),
        ("127.0.0.1", {"Origin": "https://catalog.example"}),
        ("127.0.0.1", {"Origin": "null"}),
    ],
)
def test_without_any_key_callers_elsewhere_are_refused(app: FastAPI, address: str, headers: dict[str, str]) -> None:
    response = client_of(app, address).post("/predict", json=[], headers=headers)
    assert (response.status_code, response.json()["type"]) == (403, "urn:rakuten-catalog:problem:loopback-only")
    assert "catalog-keys create" in response.json()["detail"]
    assert client_of(app, address).get("/health", headers=headers).json() == {"status": "warn"}


@pytest.mark.parametrize("credentials", [f"Bearer cat_{'0' * 16}_{'0' * 64}", "Basic Og==", "x"])
def test_key_is_refused_by_a_service_without_keys(app: FastAPI, credentials: str) -> None:
    response = client_of(app).post("/predict", json=[], headers={"Authorization": credentials})
    assert (response.status_code, response.json()["type"]) == (401, "urn:rakuten-catalog:problem:unauthorized")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_first_key_closes_the_api_to_callers_without_one(app: FastAPI, keys: KeyStore) -> None:
    local = client_of(app)
    assert _let_in(local)
    key, text = keys.create("shop", [Scope.CLASSIFY])
    assert local.post("/predict", json=[]).status_code == 401
    assert _let_in(client_of(app, key=text))
    keys.revoke(key.id)
    assert client_of(app, key=text).post("/predict", json=[]).status_code == 401
    assert local.post("/predict", json=[]).status_code == 401


def test_only_the_holder_of_a_key_is_told_that_it_has_ended(app: FastAPI, redis: Redis, keys: KeyStore) -> None:
    key, text = keys.create("shop", [Scope.CLASSIFY], expires_at=keys.now() + timedelta(days=90))
    assert _let_in(client_of(app, ELSEWHERE, text))
    end_key(redis, key.id)
    holder, stranger = client_of(app, ELSEWHERE, text), client_of(app, ELSEWHERE, f"cat_{key.id}_{'0' * 64}")
    refused = holder.post("/predict", json=[])
    assert (refused.status_code, refused.json()["type"]) == (401, "urn:rakuten-catalog:problem:unauthorized")
    assert refused.json()["detail"] == "The API key ended at 2026-01-02T03:04:05Z: ask the operator for a new one."
    assert "ended" not in stranger.post("/predict", json=[]).text
    assert client_of(app).post("/predict", json=[]).status_code == 401, "the API stays closed"


def test_health_shows_details_only_to_known_callers(app: FastAPI, keys: KeyStore) -> None:
    local = client_of(app)
    assert local.get("/health").json()["access"] == "loopback only: no API key is configured"
    _, text = keys.create("shop", [Scope.TRAIN])
    known = client_of(app, ELSEWHERE, text).get("/health").json()
    assert (known["access"], known["redis"], known["workers"]) == ("keys", "ok", [])
    for stranger in (local, client_of(app, ELSEWHERE), client_of(app, ELSEWHERE, text[:-1])):
        assert stranger.get("/health").json() == {"status": "warn"}
        assert stranger.get("/health/live").json() == stranger.get("/health/ready").json() == {"status": "pass"}


def test_rate_limit_headers_and_429_over_the_limit(app: FastAPI, keys: KeyStore) -> None:
    (_, text), (_, another) = keys.create("shop", [Scope.CLASSIFY]), keys.create("shop", [Scope.CLASSIFY])
    client = client_of(app, ELSEWHERE, text)
    answers = [client.get("/health"), *(client.post("/predict", json=[]) for _ in range(4))]
    assert [answer.status_code for answer in answers] == [200, 400, 400, 400, 400]
    for left, answer in zip((4, 3, 2, 1, 0), answers, strict=True):
        assert answer.headers["RateLimit-Policy"] == '"default";q=5;w=60'
        remaining, reset = _standing(answer)
        assert remaining == left
        assert 0 < reset <= 60
    for refused in (client.post("/predict", json=[]), client.get("/health")):
        assert (refused.status_code, refused.json()["type"]) == (429, "urn:rakuten-catalog:problem:rate-limited")
        remaining, reset = _standing(refused)
        assert (remaining, refused.headers["Retry-After"]) == (0, str(reset))
        assert refused.json()["detail"] == f"This key is limited to 5 requests in 60 s: try again in {reset} s."
    assert _let_in(client_of(app, ELSEWHERE, another))


def test_wrong_keys_are_limited_by_address_and_lock_nobody_out(app: FastAPI, keys: KeyStore) -> None:
    key, text = keys.create("shop", [Scope.CLASSIFY])
    guessing = client_of(app, ELSEWHERE, f"cat_{key.id}_{'0' * 64}")
    assert {guessing.post("/predict", json=[]).status_code for _ in range(30)} == {401}
    refused = guessing.post("/predict", json=[])
    assert (refused.status_code, refused.json()["type"]) == (429, "urn:rakuten-catalog:problem:rate-limited")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert guessing.get("/health").status_code == 429
    assert client_of(app, "203.0.113.10", "x").post("/predict", json=[]).status_code == 401
    assert _let_in(client_of(app, ELSEWHERE, text))


@pytest.mark.parametrize(
    ("address", "forwarded"),
    [(ELSEWHERE, "198.51.100.{}"), ("127.0.0.1", "198.51.100.{}"), ("2001:db8::{}", ""), ("::ffff:203.0.113.9", "")],
)
def test_the_address_of_wrong_keys_is_not_made_up(app: FastAPI, address: str, forwarded: str) -> None:
    statuses = []
    for number in range(31):
        headers = {"X-Forwarded-For": forwarded.format(number)} if forwarded else {}
        client = client_of(app, address.format(number), "x")
        statuses.append(client.post("/predict", json=[], headers=headers).status_code)
    assert statuses == [401] * 30 + [429]


def test_a_known_proxy_says_where_wrong_keys_come_from(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"proxy_addresses": (ip_network("10.1.0.0/16"),)}))
    with client_of(app, "10.1.2.3", "x") as proxy:
        for number in range(31):
            headers = {"X-Forwarded-For": f"198.51.100.{number}, {ELSEWHERE}"}  # the last is what the proxy has seen
            status = proxy.post("/predict", json=[], headers=headers).status_code
        assert status == 429
        assert proxy.post("/predict", json=[], headers={"X-Forwarded-For": "203.0.113.10"}).status_code == 401
        assert client_of(app, "10.2.2.3", "x").post("/predict", json=[], headers=headers).status_code == 401


def test_without_redis_the_api_starts_and_refuses_everybody(caplog: pytest.LogCaptureFixture) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    app = create_app(Settings(redis_url=url, broker_url=url))
    with client_of(app):
        for client in (client_of(app), client_of(app, ELSEWHERE, f"cat_{'0' * 16}_{'0' * 64}")):
            response = client.post("/predict", json=[])
            assert (response.status_code, response.json()["title"]) == (503, "Store unavailable")
            health = client.get("/health")
            assert (health.status_code, health.json()) == (503, {"status": "fail"})
    assert "cannot tell whether API keys exist" in caplog.text


def test_log_warns_while_no_key_exists(settings: Settings, keys: KeyStore, caplog: pytest.LogCaptureFixture) -> None:
    warning = "no API key exists: only callers on this machine are served, as tenant 'local'; "
    with local_client(settings):
        assert warning in caplog.text
    caplog.clear()
    keys.create("shop", [Scope.CLASSIFY])
    with local_client(settings):
        assert warning not in caplog.text


def test_key_secrets_are_neither_stored_nor_logged(
    app: FastAPI, redis: Redis, keys: KeyStore, caplog: pytest.LogCaptureFixture
) -> None:
    key, text = keys.create("shop", [Scope.CLASSIFY])
    with caplog.at_level(logging.DEBUG):
        assert _let_in(client_of(app, ELSEWHERE, text))
        client_of(app, ELSEWHERE, text + "0").post("/predict", json=[])
        keys.revoke(key.id)
        client_of(app, ELSEWHERE, text).post("/predict", json=[])
    secret = text.rpartition("_")[2]
    kept = _everything(redis)
    assert key.id in kept
    assert secret not in kept
    assert secret not in caplog.text
    assert secret not in repr(keys.list())


def test_openapi_names_key_and_scope(app: FastAPI) -> None:
    document = client_of(app).get("/openapi.json").json()
    scheme = document["components"]["securitySchemes"]["ApiKey"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "cat_<id>_<secret>")
    assert document["paths"]["/predict"]["post"]["security"] == [{"ApiKey": ["classify"]}]
    assert document["paths"]["/health"]["get"]["security"] == [{"ApiKey": []}, {}]
    assert "security" not in document["paths"]["/health/ready"]["get"]


def test_catalog_keys_create_and_revoke_take_effect_at_once(redis_port: int, redis: Redis, tmp_path: Path) -> None:
    env = {**os.environ, "CATALOG_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0", "CATALOG_LOG_LEVEL": "debug"}
    port = free_port()
    server = [sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app"]
    process = Process("api", [*server, "--port", str(port)], tmp_path / "api.log", env, ROOT)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            process.wait_until(lambda: _answers(client), timeout_s=60)
            assert _let_in(client)
            for headers in ({"Host": "catalog.example"}, {"X-Forwarded-For": "127.0.0.1"}):
                assert client.post("/predict", json=[], headers=headers).status_code == 403
            made = _catalog_keys(env, "create", "--tenant", "shop", "--scope", "classify", "--name", "tests")
            text = made.stdout.strip()
            assert "Authorization: Bearer" in made.stderr
            assert text not in made.stderr
            held = {"Authorization": f"Bearer {text}"}
            assert client.post("/predict", json=[]).status_code == 401
            assert _let_in(client, held)
            assert client.get("/health", headers=held).json()["access"] == "keys"
            identifier = text.split("_")[1]
            assert f"{identifier}  shop  classify  " in _catalog_keys(env, "list").stdout
            _catalog_keys(env, "revoke", identifier)
            assert client.post("/predict", json=[], headers=held).status_code == 401
            listed = _catalog_keys(env, "list").stdout
            assert "revoked" in listed
            audit = _catalog_keys(env, "audit")
            assert [line.split()[2] for line in audit.stdout.splitlines()] == ["key.created", "key.revoked"]
            assert audit.stdout.count(f"key={identifier}") == 2
            assert "2 entries, none of them changed" in audit.stderr
            assert text.rpartition("_")[2] not in listed + process.log.read_text()
    finally:
        process.stop()
    assert "no API key exists: only callers on this machine are served" in process.log.read_text()


def test_the_log_names_callers_and_tells_of_refusals(redis_port: int, keys: KeyStore, tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{redis_port}/0"
    env = {**os.environ, "CATALOG_REDIS_URL": url, "CATALOG_LOG_FORMAT": "json"}
    port = free_port()
    server = [sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app"]
    process = Process("api", [*server, "--port", str(port)], tmp_path / "api.log", env, ROOT)
    key, text = keys.create("shop", [Scope.CLASSIFY])
    wrong = f"cat_{key.id}_{'0' * 64}"
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            process.wait_until(lambda: _answers(client), timeout_s=60)
            for credentials, path, status in ((text, "models", 200), (text, "labels", 403), (wrong, "models", 401)):
                answer = client.get(f"/v1/{path}", headers={"Authorization": f"Bearer {credentials}"})
                assert answer.status_code == status
            assert client.get("/v1/models").status_code == 401
    finally:
        process.stop()
    lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    access = [line for line in lines if line["logger"] == "uvicorn.access" and line["path"].startswith("/v1")]
    assert [(line.get("tenant"), line.get("key"), line["status"]) for line in access] == [
        ("shop", key.id, 200),
        ("shop", key.id, 403),
        (None, None, 401),
        (None, None, 401),
    ]
    refusals = [line for line in lines if line.get("event") == "access.refused"]
    assert [(line["path"], line["client"], line["level"]) for line in refusals] == [
        ("/v1/labels", "127.0.0.1", "WARNING"),
        ("/v1/models", "127.0.0.1", "WARNING"),
        ("/v1/models", "127.0.0.1", "WARNING"),
    ]
    assert "lacks the scope train" in refusals[0]["reason"]
    assert "mistyped" in refusals[1]["reason"]
    assert "no key was sent" in refusals[2]["reason"]
    assert "0" * 64 not in process.log.read_text()


def test_catalog_keys_finds_a_changed_administrative_log(redis_port: int, redis: Redis, keys: KeyStore) -> None:
    env = {**os.environ, "CATALOG_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0"}
    assert "the administrative log is empty" in _catalog_keys(env, "audit").stderr
    for tenant in ("shop", "rival", "shop-2"):
        keys.create(tenant, [Scope.ADMIN])
    change_admin_log(redis, 2, None)
    broken = _catalog_keys(env, "audit", status=1)
    assert "entry 2 of the administrative log was changed, or an entry before it was removed" in broken.stderr
    assert "Traceback" not in broken.stderr


def test_catalog_keys_tells_when_a_key_ends(redis_port: int, redis: Redis, keys: KeyStore) -> None:
    env = {**os.environ, "CATALOG_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0"}
    create = ("create", "--tenant", "shop", "--scope", "classify", "--expires")
    assert "active until 2999-01-31 00:00 UTC" in _catalog_keys(env, *create, "2999-01-31").stderr
    text = _catalog_keys(env, *create, "90d").stdout.strip()
    key = keys.find(text)
    assert key is not None
    assert key.expires_at is not None
    assert timedelta(days=89) < key.expires_at - keys.now() < timedelta(days=90)
    end_key(redis, key.id)
    first, second = _catalog_keys(env, "list").stdout.splitlines()
    assert "  active until 2999-01-31 00:00 UTC  " in first
    assert "  ended 2026-01-02 03:04 UTC  " in second
    assert "expires_at=2999-01-31T00:00:00+00:00" in _catalog_keys(env, "audit").stdout


def test_catalog_keys_explains_errors(redis_port: int, redis: Redis) -> None:
    env = {**os.environ, "CATALOG_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0"}
    away = {**env, "CATALOG_REDIS_URL": f"redis://:pass-word@127.0.0.1:{free_port()}/0"}
    assert "no key exists yet" in _catalog_keys(env, "list").stderr
    for arguments, environment, message in (
        (("create", "--tenant", "local", "--scope", "classify"), env, "the tenant 'local' is for callers without"),
        (("create", "--tenant", "A B", "--scope", "classify"), env, "'A B' cannot name a tenant"),
        (("create", "--tenant", "a", "--scope", "train", "--expires", "90"), env, "--expires takes 1d to 9999d, 1h"),
        (("create", "--tenant", "a", "--scope", "train", "--expires", "2026-01-02"), env, "the key's end, 2026-01-02"),
        (("revoke", "*"), env, "there is no key with the id '*'"),
        (("list",), away, "Redis cannot be used, check CATALOG_REDIS_URL"),
    ):
        refused = _catalog_keys(environment, *arguments, status=1)
        assert refused.stderr.startswith(f"error: {message}")
        assert refused.stdout == ""
        assert "Traceback" not in refused.stderr
        assert "pass-word" not in refused.stderr


def _let_in(client: httpx.Client, headers: Mapping[str, str] | None = None) -> bool:
    """Whether the caller gets so far that its body, which is no prediction's, is found wrong."""
    response = client.post("/predict", json=[], headers=headers)
    return bool(response.status_code == HTTPStatus.BAD_REQUEST and "malformed-body" in response.json()["type"])


def _standing(response: httpx.Response) -> tuple[int, int]:
    """What `RateLimit` says is left, and for how many seconds."""
    name, remaining, reset = response.headers["RateLimit"].split(";")
    assert name == '"default"'
    return int(remaining.removeprefix("r=")), int(reset.removeprefix("t="))


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").is_success
    except httpx.HTTPError:
        return False


def _catalog_keys(env: Mapping[str, str], *arguments: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "api.access.keys_cli", *arguments]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done


def _everything(redis: Redis) -> str:
    """All names and values of the database."""
    client: Any = redis
    reads = {
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"string": client.get,
        b"list": lambda name: client.lrange(name, 0, -1),
    }
    return repr({name: reads[client.type(name)](name) for name in client.scan_iter()})
