"""Every page for everybody: what axe finds, in both languages, both themes and at the width of a phone."""

from collections.abc import Callable

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from stack.services import Stack

PAGES = (
    *("/console", "/console/jobs", "/console/jobs/{job}", "/console/jobs/{job}?as_pictures=true", "/console/review"),
    *("/console/categories", "/console/models", "/console/trainings", "/console/operations"),
)
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
RULES = {"runOnly": {"type": "tag", "values": TAGS}}


@pytest.fixture(scope="module")
def job(service: Stack) -> str:
    sent = [{"title": f"objet divers {word}"} for word in ("alpha", "bravo", "charlie")]
    body = {"items": sent, "name": "Generated catalogue"}
    answer = httpx.post(f"{service.url}/v1/jobs", json=body, timeout=30).raise_for_status().json()
    return str(answer["id"])


@pytest.mark.parametrize(("language", "theme", "width"), [("en-GB", "light", 1280), ("fr-FR", "dark", 400)])
def test_axe_finds_nothing_and_nothing_overflows(
    chromium: Browser,
    service: Stack,
    job: str,
    language: str,
    theme: str,
    width: int,
    shots: Callable[[Page, str], None],
) -> None:
    context = chromium.new_context(
        locale=language, color_scheme="dark" if theme == "dark" else "light", viewport={"width": width, "height": 900}
    )
    page = context.new_page()
    for path in PAGES:
        page.goto(service.url + path.format(job=job))
        if path.endswith("review"):
            expect(page.locator("[data-part=title]")).to_be_visible()
        page.wait_for_load_state("networkidle")
        found = Axe().run(page, options=RULES)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        name = path.strip("/").format(job="job").replace("/", "-").replace("?as_pictures=true", "-pictures")
        shots(page, f"{name}-{theme}-{width}")
    context.close()
