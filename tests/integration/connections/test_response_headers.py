"""Headers for browsers and caches, on answers of every kind."""

import base64
import hashlib
import re

import httpx
import pytest

from tests.integration.connections.conftest import Service
from tests.integration.connections.sockets import head

DATA = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


def test_answers_with_data_are_neither_kept_nor_framed(http: httpx.Client) -> None:
    url = http.post("/v1/jobs", json={"items": [{"id": "sku-1", "title": "Lampe"}]}).json()["url"]
    http.post(f"{url}/cancel")
    forms = [f"{url}/results?format={form}" for form in ("json", "ndjson", "csv", "parquet")]
    for path in (url, f"{url}/events", *forms, "/v1/models", "/metrics", "/health", "/none", f"{url}/none"):
        answer = http.get(path)
        assert {name: answer.headers.get(name) for name in DATA} == DATA, path
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("form", "suffix"), [("ndjson", "ndjson"), ("csv", "csv"), ("csv-raw", "csv"), ("parquet", "parquet")]
)
def test_a_file_of_results_is_saved_under_a_name_of_ours(http: httpx.Client, form: str, suffix: str) -> None:
    job = http.post("/v1/jobs", json={"items": [{"id": "../x.exe", "title": "Lampe"}]}).json()
    http.post(f"{job['url']}/cancel")
    told = http.get(f"{job['results_url']}?format={form}").headers["content-disposition"]
    assert told == f'attachment; filename="{job["id"]}.{suffix}"'


def test_answers_of_the_server_itself_have_them_too(service: Service) -> None:
    answer = service.server.ask(head("GET", "/" + "a" * 10_000))
    assert DATA.items() <= answer.headers.items()
    assert "server" not in answer.headers


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect"])
def test_pages_load_nothing_from_elsewhere_and_run_only_their_scripts(http: httpx.Client, path: str) -> None:
    page = http.get(path)
    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    for directive in ("default-src", "object-src", "base-uri", "frame-ancestors"):
        assert policy[directive] == "'none'"
    inline = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in inline]
    assert policy["script-src"].split(" ") == ["'self'", *(f"'sha256-{digest}'" for digest in hashes)]
    assert page.headers["x-content-type-options"] == "nosniff"
    for source in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert source.startswith("/static-offline-docs/"), source
        file = http.get(source)
        assert (file.status_code, file.headers["x-content-type-options"]) == (200, "nosniff")


def test_no_folder_is_listed_and_no_request_is_traced(http: httpx.Client) -> None:
    assert [http.get(path).status_code for path in ("/static-offline-docs/", "/.git/config")] == [404, 404]
    assert http.request("TRACE", "/v1/jobs").status_code == 405
