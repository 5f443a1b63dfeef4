"""The console's pages: their links, what they hold of what callers sent, and their words."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

import polib
import pytest
from fastapi.testclient import TestClient
from jinja2 import Environment

from shared.ledger import Guess, Ledger, Outcome
from shared.settings import ROOT

CONSOLE = ROOT / "api/console"
BOOK = "10"
PAGES = (
    *("/console", "/console/jobs", "/console/jobs/{job}", "/console/jobs/{job}?as_pictures=true", "/console/review"),
    *("/console/categories", "/console/categories/history", "/console/models", "/console/trainings"),
    "/console/operations",
)
STRANGE = "<script>alert('é')</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture
def job(api: TestClient, ledger: Ledger) -> str:
    """A job of two items, of which one needs a look, and whose sender is not to be trusted."""
    items = [{"id": STRANGE, "title": STRANGE, "description": STRANGE}, {"title": "Livre"}]
    job = str(api.post("/v1/jobs", json={"items": items, "name": STRANGE}).raise_for_status().json()["id"])
    while (lease := ledger.lease("interactive")) is not None:
        outcomes = [
            Outcome(item.index, item.id, guesses=(Guess(BOOK, 0.9 - 0.4 * item.index),), needs_review=item.index == 1)
            for item in lease.items
        ]
        ledger.commit(lease, "one", outcomes)
    return job


class _Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found = list[tuple[str, dict[str, str | None]]]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_page_leads_somewhere_also_below_a_prefix(api: TestClient, job: str, path: str) -> None:
    path = path.format(job=job)
    page = api.get(path)
    assert page.status_code == 200, page.text
    for tag, attributes in _Elements(page.text).found:
        for name in ("href", "src", "action"):
            address = attributes.get(name)
            if not address or address.startswith("#"):
                continue
            reached = urljoin(f"https://proxy.example/shop{path}", address)
            assert reached.startswith("https://proxy.example/shop/"), (tag, address)
            if tag in ("link", "script", "img") or "/v1/" in reached:
                found = api.get(reached.removeprefix("https://proxy.example/shop"))
                assert found.status_code == 200, address


@pytest.mark.parametrize("path", PAGES)
def test_no_page_has_a_script_or_style_within_it(api: TestClient, job: str, path: str) -> None:
    page = api.get(path.format(job=job))
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    for tag, attributes in _Elements(page.text).found:
        assert not any(name.startswith("on") or name == "style" for name in attributes), attributes
        assert tag != "style"
        assert tag != "script" or attributes["src"]
    assert "alert('é')" not in page.text


def test_filters_that_are_left_empty_vanish_from_the_address(api: TestClient, job: str) -> None:
    api.follow_redirects = False
    found = api.get("/console/jobs?q=&state=completed")
    assert (found.status_code, found.headers["Location"]) == (303, "jobs?state=completed")
    assert api.get("/console/jobs?state=completed").status_code == 200


def test_a_problem_is_a_page_in_plain_words(api: TestClient) -> None:
    for path, status, told in (
        ("/console/jobs/0", 404, "There is no job 0"),
        ("/console/nothing", 404, "Not found"),
        ("/console/jobs?state=x", 422, "state"),
    ):
        page = api.get(path)
        assert (page.status_code, page.headers["Content-Type"].partition(";")[0]) == (status, "text/html")
        assert told in page.text


def test_the_root_leads_to_the_console(api: TestClient) -> None:
    assert api.get("/").url.path == "/console"


def test_scripts_and_styles_are_kept_by_browsers_and_small(api: TestClient) -> None:
    page = api.get("/console").text
    sheet = re.search(r'href="(console/static/[^"]+\.css)"', page)
    assert sheet
    answer = api.get(f"/{sheet[1]}")
    assert "immutable" in answer.headers["Cache-Control"]


def test_every_word_is_translated() -> None:
    environment = Environment(extensions=["jinja2.ext.i18n"], trim_blocks=True, lstrip_blocks=True)
    used = set()
    for template in sorted((CONSOLE / "templates").glob("*.html")):
        # What the extension adds to the environment has no type.
        for _, _, message in environment.extract_translations(template.read_text(encoding="utf-8")):  # type: ignore[attr-defined]
            used.add(message if isinstance(message, str) else message[0])
    for catalogue in sorted((CONSOLE / "locales").glob("*.po")):
        entries = polib.pofile(str(catalogue))
        translated = {entry.msgid for entry in entries if entry.translated()}
        assert used - translated == set(), catalogue.name
        assert translated - used == set(), f"{catalogue.name}: used no more"
        for entry in entries:
            assert _places(entry.msgid) == _places(entry.msgstr or entry.msgstr_plural[0]), entry.msgid


def _places(text: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)s|\{\w+\}", text))
