"""An event loop of its own, in a thread, on which bodies are read and checked.

Parsing and validating items is computing: on the server's own event loop, nobody else would be answered meanwhile.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from contextvars import ContextVar
from typing import Annotated, Any, TypeVar

from api.dependencies import service

T = TypeVar("T")

_STRETCH_S = 0.01

_server: ContextVar[asyncio.AbstractEventLoop] = ContextVar("server")
"""The loop on which requests arrive, for what runs on the other one."""


class ReadingLoop:
    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="reading", daemon=True)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await the work on the other loop; cancelling this cancels the work."""
        token = _server.set(asyncio.get_running_loop())
        try:
            done = asyncio.run_coroutine_threadsafe(work, self._loop)  # in a copy of this context
        finally:
            _server.reset(token)
        return await asyncio.wrap_future(done)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


ReadingLoopDep = Annotated[ReadingLoop, service(lambda _: ReadingLoop(), ReadingLoop.close)]


async def from_server(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Iterate over what arrives on the server's loop, from whichever loop this runs on."""
    here = asyncio.get_running_loop()
    server = _server.get(here)
    while True:
        if server is here:
            part = await anext(parts, None)
        else:
            part = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_next(parts), server))
        if part is None:
            return
        yield part


async def in_turns(items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Pass the items on, and let other requests go on after each stretch of work."""
    begun = time.monotonic()
    async with aclosing(items):
        async for item in items:
            yield item
            if time.monotonic() - begun > _STRETCH_S:
                await asyncio.sleep(0)
                begun = time.monotonic()


async def _next(parts: AsyncIterator[bytes]) -> bytes | None:
    return await anext(parts, None)
