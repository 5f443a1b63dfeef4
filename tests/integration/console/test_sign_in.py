"""Who may see the console's pages, and whose requests change something."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from redis import Redis

from api.access.sessions import COOKIE
from api.app import create_app
from shared.settings import Settings
from shared.tenants.api_keys import KeyStore, Scope
from shared.tenants.sessions import SessionStore
from tests.http import client_of
from tests.redis_state import end_key, end_sessions

SIGN_IN, SIGN_OUT, SETTINGS = "/console/sign-in", "/console/sign-out", "/console/settings"


@pytest.fixture
def app(redis_port: int, redis: Redis) -> Iterator[FastAPI]:
    url = f"redis://127.0.0.1:{redis_port}"
    app = create_app(Settings(redis_url=f"{url}/0", broker_url=f"{url}/1", rate_limit="30/minute"))
    with client_of(app):
        yield app


@pytest.fixture
def keys(redis: Redis) -> KeyStore:
    return KeyStore(redis)


@pytest.fixture
def browser(app: FastAPI) -> Callable[[], TestClient]:
    """A browser somewhere else, which follows no redirects by itself."""

    def browser() -> TestClient:
        client = client_of(app, "203.0.113.9")
        client.follow_redirects = False
        return client

    return browser


def signed_in(browser: TestClient, key: str, person: str = "Anna", then: str = "") -> httpx.Response:
    answer: httpx.Response = browser.post(SIGN_IN, data={"key": key, "person": person, "next": then})
    assert answer.status_code == 303, answer.text
    return answer


def token_on(page: httpx.Response) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert found, page.text
    return found[1]


def test_without_keys_the_console_is_open_on_this_machine_alone(
    app: FastAPI, browser: Callable[[], TestClient]
) -> None:
    assert client_of(app).get("/console").status_code == 200
    assert "localhost" in browser().get("/console").text


def test_a_page_leads_to_the_sign_in_and_back(browser: Callable[[], TestClient], keys: KeyStore) -> None:
    _, key = keys.create("shop", [Scope.CLASSIFY])
    anna = browser()
    asked = anna.get("/console/jobs")
    assert (asked.status_code, asked.headers["Location"]) == (303, "../console/sign-in?next=%2Fconsole%2Fjobs")
    assert 'value="/console/jobs"' in anna.get(SIGN_IN, params={"next": "/console/jobs"}).text
    answer = signed_in(anna, key, then="/console/jobs")
    assert answer.headers["Location"] == "../console/jobs"
    cookie = answer.headers["Set-Cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=strict", "path=/"))
    page = anna.get("/console/jobs")
    assert page.status_code == 200
    assert "Anna" in page.text
    assert anna.get("/v1/jobs").json()["jobs"] == [], "the session reads the API, too"


@pytest.mark.parametrize("then", ["https://evil.example", "//evil.example", "/console//evil.example", "/v1/jobs", ""])
def test_nobody_is_sent_elsewhere(browser: Callable[[], TestClient], keys: KeyStore, then: str) -> None:
    _, key = keys.create("shop", [Scope.CLASSIFY])
    assert signed_in(browser(), key, then=then).headers["Location"] == "../console"


def test_every_page_but_the_sign_in_asks_who_is_there(
    app: FastAPI, browser: Callable[[], TestClient], keys: KeyStore
) -> None:
    keys.create("shop", [Scope.CLASSIFY])
    pages = [route for route in iter_route_contexts(app.routes) if (route.path or "").startswith("/console")]
    closed = [route for route in pages if route.methods and route.path not in (SIGN_IN, SETTINGS, SIGN_OUT)]
    assert len(closed) > 5
    for route in closed:
        for method in sorted(route.methods or ()):
            anna = browser()
            for cookie in (None, "0" * 64, "x", "é".encode()):
                path = re.sub(r"\{\w+\}", "0", route.path or "")
                answer = anna.request(method, path, headers={"Cookie": _cookie(cookie)} if cookie else {})
                assert answer.status_code == 303, (method, path, answer.text)
                assert "console/sign-in" in answer.headers["Location"]


def _cookie(token: str | bytes) -> bytes:
    return f"{COOKIE}=".encode() + (token if isinstance(token, bytes) else token.encode())


def test_pages_show_the_tenants_own_jobs(browser: Callable[[], TestClient], keys: KeyStore, app: FastAPI) -> None:
    _, own = keys.create("shop", [Scope.CLASSIFY])
    _, other = keys.create("market", [Scope.CLASSIFY])
    sender = client_of(app, key=other)
    job = sender.post("/v1/jobs", json={"items": [{"title": "secret"}], "name": "secret"}).json()["id"]
    anna = browser()
    signed_in(anna, own)
    assert "secret" not in anna.get("/console/jobs").text
    for page in (f"/console/jobs/{job}", f"/console/jobs/{job}/deliveries"):
        assert anna.get(page).status_code == 404


def test_a_wrong_key_is_told_so(browser: Callable[[], TestClient], keys: KeyStore, redis: Redis) -> None:
    ended, ended_text = keys.create("shop", [Scope.CLASSIFY], expires_at=keys.now() + timedelta(days=9))
    end_key(redis, ended.id)
    for text, told in (("cat_wrong", "is not valid"), (ended_text, "ended at")):
        answer = browser().post(SIGN_IN, data={"key": text})
        assert answer.status_code == 401
        assert told in answer.text
        assert "Set-Cookie" not in answer.headers
    strange = browser().post(SIGN_IN, data={"key": ended_text}, headers={"Sec-Fetch-Site": "cross-site"})
    assert strange.status_code == 403


def test_a_session_ends_with_its_key_its_time_and_the_sign_out(
    browser: Callable[[], TestClient], keys: KeyStore, redis: Redis
) -> None:
    for end in ("key", "time", "sign-out"):
        known, key = keys.create("shop", [Scope.CLASSIFY])
        anna = browser()
        signed_in(anna, key)
        page = anna.get("/console")
        assert page.status_code == 200
        token = anna.cookies[COOKIE]
        if end == "key":
            keys.revoke(known.id)
        elif end == "time":
            end_sessions(redis)
        else:
            anna.post("/console/sign-out", data={"csrf": token_on(page)})
        anna.cookies.set(COOKIE, token)
        assert anna.get("/console").status_code == 303, end


def test_only_a_page_of_the_session_changes_something(browser: Callable[[], TestClient], keys: KeyStore) -> None:
    _, key = keys.create("shop", [Scope.CLASSIFY, Scope.REVIEW])
    anna = browser()
    signed_in(anna, key)
    token = token_on(anna.get("/console"))
    for sent in ({}, {"X-CSRF-Token": "0" * 32}, {"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"}):
        refused = anna.post("/v1/review/next", headers=sent)
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:rakuten-catalog:problem:csrf")
    assert anna.post("/v1/review/next", headers={"X-CSRF-Token": token}).json() == {"cards": []}
    job = anna.post("/v1/jobs", json={"items": [{"title": "x"}]}, headers={"X-CSRF-Token": token}).json()["id"]
    assert anna.post(f"/console/jobs/{job}/cancel", data={"csrf": "0" * 32}).status_code == 403
    assert anna.post(f"/console/jobs/{job}/cancel", data={"csrf": token}).status_code == 303
    assert anna.get(f"/v1/jobs/{job}").json()["state"] == "cancelled"


def test_a_scope_decides_what_is_shown(browser: Callable[[], TestClient], keys: KeyStore) -> None:
    _, key = keys.create("shop", [Scope.OBSERVE])
    anna = browser()
    signed_in(anna, key, person="")
    page = anna.get("/console").text
    assert "console/operations" in page
    assert "console/jobs" not in page
    refused = anna.get("/console/jobs")
    assert refused.status_code == 403
    assert "needs a key with the scope review or classify" in refused.text


def test_redis_holds_no_token(browser: Callable[[], TestClient], keys: KeyStore, redis: Redis) -> None:
    _, key = keys.create("shop", [Scope.CLASSIFY])
    anna = browser()
    signed_in(anna, key)
    token = anna.cookies[COOKIE]
    assert SessionStore(redis).find(token) is not None
    held = [str(name) for name in redis.scan_iter("*")]
    assert not any(token in name for name in held)


def test_the_browser_decides_the_language_and_a_switch_overrides(
    browser: Callable[[], TestClient], keys: KeyStore
) -> None:
    _, key = keys.create("shop", [Scope.CLASSIFY])
    anna = browser()
    for sent, words in ((None, "Sign in"), ("fr-CH, en;q=0.5", "Se connecter"), ("de", "Sign in")):
        assert words in anna.get(SIGN_IN, headers={"Accept-Language": sent} if sent else {}).text
    anna.post("/console/settings", data={"language": "fr", "theme": "dark", "next": SIGN_IN})
    page = anna.get(SIGN_IN).text
    assert "Se connecter" in page
    assert 'data-theme="dark"' in page
    anna.post("/console/settings", data={"language": "<script>", "theme": "x"})
    assert "Se connecter" in anna.get(SIGN_IN).text
    signed_in(anna, key)
    assert anna.get("/v1/jobs").headers.get("Vary") is None
