"""What HTTP leaves open to a client: HEAD for GET, and a slash at the end of a path."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def install(app: FastAPI) -> None:
    """Answer HEAD as GET without a body, and a path with a slash at its end as the one without.

    To be added around everything that looks at method or path, so that all see the same. A redirect would lose the
    body of a request, or its key, or lead to `http://` behind a proxy.
    """
    app.router.redirect_slashes = False
    app.add_middleware(_Canonical)


class _Canonical:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if len(path) > 1 and path.endswith("/"):
            scope = {**scope, "path": path[:-1]}
        if scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        begun = ended = False

        async def send_head(message: Message) -> None:
            nonlocal begun, ended
            if message["type"] == "http.response.start":
                begun = True
                await send(message)
            elif begun and not ended:  # a stream ends here, because its client is gone
                ended = True
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app({**scope, "method": "GET"}, receive, send_head)
