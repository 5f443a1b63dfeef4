"""A running service with a generated catalogue, and a browser before it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from stack.services import ROOT, Stack, pick_ports
from tests.browser.chromium import program
from tests.pictures import clouds, in_base64
from tests.waiting import finished
from training.pipeline.layout import STARTER

NEEDS_A_LOOK = ("truc {number} pour la maison", "objet divers {number}", "lot varié no {number}", "pièce {number} rare")
_OF_THE_NETWORK = ("ERR_CONNECTION_REFUSED", "ERR_NETWORK_CHANGED")
"""What Chromium tells where a test has ended the API, or the machine got another network in between."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Redis, API, worker, housekeeper and courier as processes, with the starter."""
    settings = {
        "CATALOG_MODEL": str(ROOT / STARTER),
        "CATALOG_TRACK_PREDICTIONS": "false",
        "CATALOG_AUDIT_SHARE": "0",
        "CATALOG_RATE_LIMIT": "100000/minute",
    }
    folder = tmp_path_factory.mktemp("console")
    with Stack(ROOT, folder, pick_ports(mlflow=False, preferred=False), settings) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(locale="en-GB", viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, service: Stack) -> Iterator[Page]:
    """A page whose console stays empty, and which asks no other host for anything."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(httpx.URL(request.url).netloc.decode()))
    page.set_default_timeout(30_000)
    yield page
    assert [error for error in errors if not any(cause in error for cause in _OF_THE_NETWORK)] == []
    assert hosts <= {httpx.URL(service.url).netloc.decode()}


@pytest.fixture
def catalogue(service: Stack) -> Callable[..., str]:
    """Sends items, some with a picture, and returns the job when they are answered."""

    def send(items: int, name: str = "Generated catalogue", title: str | None = None) -> str:
        sent = [
            {
                "id": f"sku-{number}",
                "title": (title or NEEDS_A_LOOK[number % len(NEEDS_A_LOOK)]).format(number=_word(number)),
                "image": {"base64": in_base64(clouds(number, 300))} if number % 2 == 0 else None,
                "metadata": {"Réf": f"00{number}"},
            }
            for number in range(items)
        ]
        with httpx.Client(base_url=service.url, timeout=60) as api:
            answer = api.post("/v1/jobs", json={"items": sent, "name": name}).raise_for_status().json()
            finished(api, answer["url"])
            return str(answer["id"])

    return send


@pytest.fixture
def shots() -> Callable[[Page, str], None]:
    """Keeps a picture of the page where `CATALOG_SHOTS` names a folder."""

    def keep(page: Page, name: str) -> None:
        if folder := os.environ.get("CATALOG_SHOTS"):
            page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return keep


def _word(number: int) -> str:
    """A word that is in no other item: items whose numbers alone differ are near copies."""
    letters = "bcdfglmnprstvz"
    return "".join(letters[number // len(letters) ** place % len(letters)] + "aeiou"[place] for place in range(3))
