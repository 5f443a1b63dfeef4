"""Headers that tell browsers and caches to do as little as possible with an answer."""

import base64
import hashlib
import re
from collections.abc import Iterator

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
_NOTHING = "default-src 'none'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
_PAGE = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""The documentation's pages load their scripts and the document from here, and ReDoc starts a worker."""
_CONSOLE = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
"""The console's pages: they hold what callers sent, so no script or style may be within them."""
_CONSOLE_PATH = "/console"
_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_PUBLIC = ("/docs", "/redoc", "/openapi.json", "/static-offline-docs", "/console/static")
"""The same for everybody, so it may be kept."""


def of_data() -> dict[str, str]:
    """The headers of an answer that holds a tenant's data or may do so."""
    return {**ALWAYS, "Content-Security-Policy": _NOTHING, "Cache-Control": "no-store"}


def install(app: FastAPI) -> None:
    app.add_middleware(_ResponseHeaders)


class _ResponseHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        page: Message | None = None

        async def send_with_headers(message: Message) -> None:
            nonlocal page
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                is_page = headers.get("content-type", "").startswith("text/html")
                if is_page and scope["path"].startswith(_CONSOLE_PATH):
                    headers.update({**of_data(), "Content-Security-Policy": _CONSOLE})
                    await send(message)
                    return
                if is_page:
                    page = message  # its headers depend on its body
                    return
                kept = headers.get("cache-control", "")
                for name, value in (ALWAYS if scope["path"].startswith(_PUBLIC) else of_data()).items():
                    headers[name] = value
                if kept.startswith("private"):  # a route knows that its answer never changes
                    headers["Cache-Control"] = kept
            elif page is not None:
                # The pages hold nothing that a caller sent, so whatever script is in one may run.
                policy = _PAGE.format(scripts="".join(f" '{script}'" for script in _scripts(message["body"])))
                MutableHeaders(scope=page).update({**ALWAYS, "Content-Security-Policy": policy})
                begun, page = page, None
                await send(begun)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _scripts(page: bytes) -> Iterator[str]:
    """The hashes of the scripts in the page, as a Content Security Policy names them."""
    for script in _SCRIPT.findall(page):
        yield f"sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}"
