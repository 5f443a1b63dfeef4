"""Signing in with an API key, signing out, and the switches of language and theme."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.access import sessions
from api.access.authentication import KeyStoreDep, OptionalCaller, RateLimitsDep, check_key
from api.access.sessions import SessionsDep
from api.console.forms import FormDep
from api.console.pages import THEME_COOKIE, THEMES, PageDep
from api.console.translations import LANGUAGES
from api.http.languages import COOKIE as LANGUAGE_COOKIE
from api.http.problems import Problem

router = APIRouter()

_YEAR_S = 365 * 24 * 3600
_LONGEST_NAME = 100

Next = Annotated[str, Query(alias="next", max_length=2000)]


@router.get("/sign-in")
def show_sign_in(page: PageDep, caller: OptionalCaller, then: Next = "") -> Response:
    if caller is not None:
        return page.redirect(_within(then))
    return page.render("sign_in.html", None, then=then, problem=None, person="")


@router.post("/sign-in")
async def sign_in(
    request: Request,
    page: PageDep,
    form: FormDep,
    keys: KeyStoreDep,
    rate_limits: RateLimitsDep,
    store: SessionsDep,
) -> Response:
    person, then = form.get("person", "").strip(), form.get("next", "")
    try:
        if not sessions.is_same_site(request):
            raise Problem(HTTPStatus.FORBIDDEN, "csrf", "Another site has sent this form: open this page again.")
        key = await run_in_threadpool(check_key, request, keys, rate_limits, form.get("key", "").strip())
        _check_person(person)
    except Problem as problem:
        return page.render("sign_in.html", None, problem.status, then=then, problem=str(problem), person=person)
    token = await run_in_threadpool(store.begin, key.id, person or None)
    response = page.redirect(_within(then))
    sessions.give(response, request, token)
    return response


@router.post("/sign-out")
async def sign_out(
    request: Request, page: PageDep, form: FormDep, caller: OptionalCaller, store: SessionsDep
) -> Response:
    if caller is not None and caller.session is not None and (token := sessions.token_of(request)) is not None:
        await run_in_threadpool(store.end, token)
    response = page.redirect("/console/sign-in")
    sessions.take_back(response)
    return response


@router.post("/settings")
async def choose(request: Request, page: PageDep, form: FormDep) -> Response:
    """Keep the language or the theme that was chosen in this browser, and show the page again."""
    response = page.redirect(_within(form.get("next", "")))
    for name, cookie, known in (("language", LANGUAGE_COOKIE, LANGUAGES), ("theme", THEME_COOKIE, THEMES)):
        if form.get(name) in known:
            response.set_cookie(cookie, form[name], max_age=_YEAR_S, httponly=True, samesite="strict")
    return response


def _within(path: str) -> str:
    """The page to go to: never one of another site, whatever a link to here has named."""
    return path if path.startswith("/console") and "//" not in path and "\\" not in path else "/console"


def _check_person(name: str) -> None:
    if len(name) > _LONGEST_NAME or (name and not name.isprintable()):
        detail = f"A name has up to {_LONGEST_NAME} printable characters."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", detail)
