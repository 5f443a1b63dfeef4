"""The loop on which bodies are read: results, errors and ends come back, and nobody is kept waiting by one body."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest

from api.http.reading_loop import ReadingLoop, from_server, in_turns

bound: ContextVar[str] = ContextVar("bound", default="")


def with_loop(test: Callable[[ReadingLoop], Coroutine[Any, Any, None]]) -> None:
    reading = ReadingLoop()
    try:
        asyncio.run(test(reading))
    finally:
        reading.close()


def test_work_runs_in_the_other_thread_with_the_callers_context() -> None:
    async def work() -> tuple[str, str]:
        return threading.current_thread().name, bound.get()

    async def test(reading: ReadingLoop) -> None:
        bound.set("request 1")
        assert await reading.run(work()) == ("reading", "request 1")

    with_loop(test)


def test_an_error_comes_back_to_the_caller() -> None:
    async def work() -> None:
        raise OSError("full")

    async def test(reading: ReadingLoop) -> None:
        with pytest.raises(OSError, match="full"):
            await reading.run(work())

    with_loop(test)


def test_a_body_is_received_on_the_servers_loop() -> None:
    received_in = set()

    async def body() -> AsyncIterator[bytes]:
        for part in (b"a", b"b"):
            received_in.add(threading.current_thread())
            await asyncio.sleep(0)
            yield part

    async def work() -> bytes:
        return b"".join([part async for part in from_server(body())])

    async def test(reading: ReadingLoop) -> None:
        assert await reading.run(work()) == b"ab"
        assert await work() == b"ab", "without another loop"

    with_loop(test)
    assert received_in == {threading.current_thread()}


def test_a_cancelled_request_ends_its_work() -> None:
    begun, ended = threading.Event(), threading.Event()

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def test(reading: ReadingLoop) -> None:
        request = asyncio.create_task(reading.run(work()))
        assert await asyncio.to_thread(begun.wait, 10)
        request.cancel()
        assert await asyncio.to_thread(ended.wait, 10)

    with_loop(test)


def test_others_go_on_between_the_items_of_a_long_body() -> None:
    turns = []

    async def items() -> AsyncGenerator[int, None]:
        for item in range(3):
            yield item

    async def reading_long() -> None:
        async for _ in in_turns(items()):
            time.sleep(0.02)  # computing
            turns.append("long")

    async def reading_short() -> None:
        turns.append("short")

    async def both() -> None:
        await asyncio.gather(reading_long(), reading_short())

    asyncio.run(both())
    assert turns.index("short") < 2
