"""A person at the review screen: by keyboard, with the service gone in between, and beside another person."""

import re
from collections.abc import Callable
from typing import Any

import httpx
from playwright.sync_api import BrowserContext, Page, Route, expect

from stack.services import Stack
from tests.waiting import wait_for

Send = Callable[..., str]


def decided(service: Stack, job: str) -> list[dict[str, Any]]:
    """The items about which a person has decided."""
    found = httpx.get(f"{service.url}/v1/jobs/{job}/items", params={"decided": "true", "limit": 200}, timeout=30)
    items: list[dict[str, Any]] = found.raise_for_status().json()["items"]
    return items


def opened(page: Page, service: Stack, job: str) -> str:
    """Go to the review of a job; return the title of its first item."""
    page.goto(f"{service.url}/console/review?job_id={job}")
    return title(page)


def title(page: Page) -> str:
    shown = page.locator("[data-part=title]")
    expect(shown).to_be_visible()
    return shown.inner_text()


def press(page: Page, key: str) -> None:
    """Press a key, and wait until another item is shown."""
    before = title(page)
    page.keyboard.press(key)
    expect(page.locator("[data-part=title]")).not_to_have_text(before)


def sent(page: Page) -> None:
    expect(page.locator("[data-part=outbox]")).to_be_hidden()


def open_items(service: Stack, job: str) -> int:
    return int(httpx.get(f"{service.url}/v1/jobs/{job}", timeout=30).json()["open"])


def test_thirty_items_are_decided_by_keyboard_and_undone(page: Page, service: Stack, catalogue: Send) -> None:
    job = catalogue(60)
    waiting = open_items(service, job)
    assert waiting > 32, "the generated titles tell the model too little"
    first = opened(page, service, job)
    for key in "1" * 28:
        press(page, key)
    press(page, "2")
    press(page, "Enter")
    expect(page.locator("[data-part=progress]")).to_have_text("30 decided")
    sent(page)
    assert open_items(service, job) == waiting - 30
    for _ in range(30):
        press(page, "u")
    sent(page)
    assert title(page) == first
    assert open_items(service, job) == waiting
    assert decided(service, job) == []


def test_any_category_none_and_skip(page: Page, service: Stack, catalogue: Send) -> None:
    job = catalogue(12, title="chose {number} à voir")
    opened(page, service, job)
    page.keyboard.press("/")
    page.keyboard.type("pisc")
    expect(page.locator("[role=option]").first).to_contain_text("Swimming pools")
    before = title(page)
    page.keyboard.press("Enter")
    expect(page.locator("[data-part=title]")).not_to_have_text(before)
    page.keyboard.press("n")
    page.keyboard.type("a trailer")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("[data-part=progress]")).to_have_text("2 decided")
    press(page, "s")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    sent(page)
    wait_for("both are decided", lambda: len(decided(service, job)) == 2)
    found = decided(service, job)
    assert {item["result"]["final"] and item["result"]["final"]["code"] for item in found} == {"2583", None}
    assert {item["decision"]["note"] for item in found} == {None, "a trailer"}
    assert {item["decision"]["by"] for item in found} == {"local"}


def test_near_copies_are_one_card(page: Page, service: Stack) -> None:
    sizes = [{"id": f"v{size}", "title": f"truc bizarre taille {size} cm"} for size in range(10, 16)]
    answer = httpx.post(f"{service.url}/v1/jobs", json={"items": sizes}, timeout=30).raise_for_status().json()
    job = answer["id"]
    wait_for("the job ends", lambda: httpx.get(f"{service.url}{answer['url']}").json()["finished_at"])
    assert open_items(service, job) == 6, "the title tells the model too little"
    opened(page, service, job)
    expect(page.locator("[data-part=copies-title]")).to_have_text("5 near copies")
    page.keyboard.press("1")
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    sent(page)
    assert len(decided(service, job)) == 6


def test_no_decision_is_lost_while_the_service_is_gone(
    page: Page, context: BrowserContext, service: Stack, catalogue: Send
) -> None:
    job = catalogue(16, title="machin {number} inconnu")
    waiting = open_items(service, job)
    opened(page, service, job)
    press(page, "1")
    sent(page)
    service.process("api").kill()
    for _ in range(4):
        press(page, "1")
    expect(page.locator("[data-part=outbox]")).to_have_text("4 on the way")
    page.close()
    service.start_api()
    again = context.new_page()
    again.goto(f"{service.url}/console/review?job_id={job}")
    sent(again)
    wait_for("all five have arrived", lambda: open_items(service, job) == waiting - 5)
    assert len(decided(service, job)) == 5


def test_two_people_get_different_items(page: Page, context: BrowserContext, service: Stack, catalogue: Send) -> None:
    job = catalogue(60, title="article {number} quelconque")
    waiting = open_items(service, job)
    mine = {opened(page, service, job)}
    other = context.new_page()
    other.add_init_script("localStorage.clear()")
    other.route(re.compile("/v1/review/next"), _as_bob)
    theirs = {opened(other, service, job)}
    for _ in range(5):
        press(page, "1")
        press(other, "1")
        mine.add(title(page))
        theirs.add(title(other))
    assert mine & theirs == set()
    sent(page)
    sent(other)
    wait_for("ten are decided", lambda: open_items(service, job) == waiting - 10)
    other.close()


def _as_bob(route: Route) -> None:
    """Another person at the same machine, where nobody has to sign in."""
    route.continue_(post_data=(route.request.post_data or "").replace('"by":"local"', '"by":"bob"'))
