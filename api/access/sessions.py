"""The cookie of the console's session, and what tells a request of its pages from one that another site has caused."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Request, Response

from api.dependencies import service
from shared.tenants.sessions import LONGEST_S, SessionStore

COOKIE = "catalog_session"
CSRF_HEADER = "X-CSRF-Token"

SessionsDep = Annotated[SessionStore, service(lambda stores: SessionStore(stores.redis))]


def token_of(request: Request) -> str | None:
    """Return the token that the browser sent; `None` without one."""
    return request.cookies.get(COOKIE)


def give(response: Response, request: Request, token: str) -> None:
    """Have the browser keep the token, out of reach of scripts, and send it to this site's own pages alone.

    The path is that of the whole site, because a proxy may serve this one below a prefix that is not known here.
    """
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, max_age=LONGEST_S, httponly=True, samesite="strict", secure=secure)


def take_back(response: Response) -> None:
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


def is_same_site(request: Request) -> bool:
    """Whether the browser says that a page of this site sent the request, or says nothing of it.

    `Origin` and `Sec-Fetch-Site` are what a page cannot change: https://www.w3.org/TR/fetch-metadata/.
    """
    headers = request.headers
    if (site := headers.get("sec-fetch-site")) is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")
