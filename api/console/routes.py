"""The pages of the console, and what happens to problems on them."""

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from inspect import isawaitable
from typing import Any
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Request, Response

from api.console import categories, home, jobs, models, operations, review, sign_in, static_files, trainings
from api.console.forms import read_form_of_session
from api.console.pages import page_of
from api.http.problems import MEDIA_TYPE, Problem

_PREFIX = "/console"

Handler = Callable[[Request, Any], Response | Awaitable[Response]]


async def _without_empty_values(request: Request) -> None:
    """Send the browser to the same page without the fields of a form of filters that were left empty."""
    pairs = request.query_params.multi_items()
    if request.method in ("GET", "HEAD") and any(value == "" for _, value in pairs):
        query = urlencode([(name, value) for name, value in pairs if value != ""])
        here = request.url.path.rpartition("/")[2]
        headers = {"Location": f"{here}?{query}" if query else here}
        raise Problem(HTTPStatus.SEE_OTHER, "see-other", "This page without empty values.", headers=headers)


_FIRST = [Depends(_without_empty_values), Depends(read_form_of_session)]
"""What every page does before its own dependencies."""
_PAGES = (sign_in, home, jobs, review, categories, models, trainings, operations)


def install(app: FastAPI) -> None:
    """Add the pages; to be called when the app knows its handlers of errors, which answer pages with pages from now."""
    for pages in _PAGES:
        app.include_router(pages.router, prefix=_PREFIX, include_in_schema=False, dependencies=_FIRST)
    app.add_api_route("/", _to_console, include_in_schema=False)
    static_files.install(app)
    for error, handler in list(app.exception_handlers.items()):
        app.add_exception_handler(error, _readable(handler))


async def _to_console() -> Response:
    return Response(status_code=HTTPStatus.TEMPORARY_REDIRECT, headers={"Location": "console"})


def _readable(handler: Handler) -> Handler:
    """Show a page's problem as a page; without a session, the page to sign in."""

    async def handled(request: Request, error: Exception) -> Response:
        answer = handler(request, error)
        response = await answer if isawaitable(answer) else answer
        is_page = request.url.path.startswith(_PREFIX) and response.media_type == MEDIA_TYPE
        if not is_page or response.status_code == HTTPStatus.SEE_OTHER:
            return response
        page = page_of(request)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            return page.redirect("/console/sign-in", next=request.url.path)
        problem = json.loads(bytes(response.body))
        shown = page.render("problem.html", None, HTTPStatus(response.status_code), problem=problem)
        if (wait := response.headers.get("Retry-After")) is not None:
            shown.headers["Retry-After"] = wait
        return shown

    return handled
