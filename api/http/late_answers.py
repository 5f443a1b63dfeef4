"""Answers that are made outside of their routes, so that a caller that waits takes little memory.

While a route runs, each layer that FastAPI and Starlette have between it and the middlewares keeps a frame, an exit
stack, the resolved dependencies or a request object: together more than the rest of a waiting request. So a route that
has something to wait for returns a `LateAnswer`, and is left before the wait begins. And requests take turns at the
routes: if thousands of callers come at once, all of them in their routes together would take the memory after all.
"""

import asyncio

from fastapi import FastAPI, Response
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

_STATE = "late_answer"
_MOST_IN_ROUTES = 128
"""More than there are threads, so that nothing waits here that could go on. It bounds requests without a body, until
their answers begin: a body comes as slowly as its client likes."""


class LateAnswer(Response):
    """What a route returns instead of waiting.

    Args:
        answer: Waits and sends the answer once the route has been left; what it raises is answered as if the route had
            raised it. What it refers to is kept until then.
    """

    def __init__(self, answer: ASGIApp) -> None:
        super().__init__()
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"][_STATE] = self._answer


def install(app: FastAPI) -> None:
    """Make late answers possible; to be called first, so that they pass through all other middlewares."""
    app.add_middleware(_LateAnswers, handlers=app.exception_handlers)


class _LateAnswers:
    def __init__(self, app: ASGIApp, handlers: dict[int | type[Exception], ExceptionHandler]) -> None:
        self._app = app
        self._answer = ExceptionMiddleware(_answer, handlers)
        self._turns = asyncio.Semaphore(_MOST_IN_ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        before = tuple(scope)
        if scope["type"] == "http" and scope["method"] == "GET":
            await self._in_turn(scope, receive, send)
        else:
            await self._app(scope, receive, send)
        if _STATE in scope.get("state", ()):
            # What FastAPI has added holds the dependencies; the route is for the metrics.
            for name in scope.keys() - {*before, "route"}:
                del scope[name]
            await self._answer(scope, receive, send)

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._turns.acquire()
        holds = True

        def leave() -> None:
            nonlocal holds
            if holds:
                holds = False
                self._turns.release()

        async def send_and_leave(message: Message) -> None:
            leave()
            await send(message)

        try:
            await self._app(scope, receive, send_and_leave)
        finally:
            leave()


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    answer: ASGIApp = scope["state"].pop(_STATE)
    await answer(scope, receive, send)
