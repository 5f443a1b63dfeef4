"""The connection of an `AsyncCatalog`: `_connection` for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Any, BinaryIO, TypeVar

import httpx

from catalog_client._bodies import AsyncBody
from catalog_client._call import Answer, Call
from catalog_client._calls import P
from catalog_client._errors import CatalogError, UnexpectedAnswerError
from catalog_client._http import Address, Content, E, Lines, Looks, Policy, Tries, is_content

T = TypeVar("T")


class AsyncConnection:
    """Raises `ConfigurationError` if the key or a proxy of the environment cannot be used."""

    def __init__(self, address: Address, key: str | None, policy: Policy) -> None:
        self.url = address.display
        """The service's URL, as it may be shown."""
        self._policy = policy
        self._http = address.connect(httpx.AsyncClient, key, policy)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def send(self, call: Call[T], body: AsyncBody | None = None) -> T:
        return call.read(await self._answer(call, self._read, body))

    async def pages(self, call: Callable[[Any], Call[P]]) -> AsyncIterator[P]:
        """Read page after page; `call` asks for the one at a cursor."""
        cursor: str | int | None = None
        while True:
            page = await self.send(call(cursor))
            yield page
            if page.next_cursor in (None, cursor):
                return
            cursor = page.next_cursor

    async def save(self, call: Call[None], file: BinaryIO) -> None:
        """Write a streamed answer into the file, again from its start when it breaks off."""
        call.read(await self._answer(call, partial(self._write, file)))

    async def lines(self, call: Call[None]) -> AsyncIterator[bytes]:
        """Yield the lines of a streamed answer; one that breaks off is taken up again where it broke off."""
        tries, done = Tries(self._policy, call, self.url), 0
        while True:
            outcome: Answer | httpx.TransportError
            try:
                async with self._open(call) as response:
                    if is_content(response):
                        skip = done
                        async for line in self._cut(response):
                            skip -= 1
                            if skip < 0:
                                yield line
                                done += 1
                                tries.renew()
                        return
                    outcome = await self._read(response)
            except httpx.TransportError as error:
                outcome = error
            following = tries.next(outcome)
            if isinstance(following, Answer):
                call.read(following)  # which raises: it is no success
                return
            await asyncio.sleep(following)

    async def until_ended(
        self,
        look: Callable[..., Awaitable[E]],
        known: bool,
        timeout_s: float | None,
        progress: Callable[[E], object] | None,
        trouble: Callable[[CatalogError], object] | None,
    ) -> E:
        looks = Looks(timeout_s, self._policy, known=known, progress=progress is not None)
        while True:
            try:
                record = await look(wait_s=looks.wait_s)
            except CatalogError as error:
                pause = looks.pause_after(error)
                if trouble is not None:
                    trouble(error)
                await asyncio.sleep(pause)
                continue
            if progress is not None:
                progress(record)
            if looks.ended(record):
                return record

    async def _answer(
        self, call: Call[Any], take: Callable[[httpx.Response], Awaitable[Answer]], body: AsyncBody | None = None
    ) -> Answer:
        """Return the answer as `take` reads it from the response, after as many tries as it needs."""
        tries = Tries(self._policy, call, self.url)
        while True:
            outcome: Answer | httpx.TransportError
            try:
                async with self._open(call, body) as response:
                    outcome = await take(response)
            except httpx.TransportError as error:
                outcome = error
            following = tries.next(outcome)
            if isinstance(following, Answer):
                return following
            await asyncio.sleep(following)

    @asynccontextmanager
    async def _open(self, call: Call[Any], body: AsyncBody | None = None) -> AsyncIterator[httpx.Response]:
        content = call.content if body is None else aiter(body)
        request = self._http.build_request(
            call.method, call.path, params=call.query, json=call.body, content=content, headers=call.headers
        )
        try:
            async with aclosing(await self._http.send(request, stream=True)) as response:
                yield response
        except httpx.DecodingError as error:
            raise UnexpectedAnswerError(f"{self.url} answered something that cannot be decoded: {error}") from error

    async def _read(self, response: httpx.Response) -> Answer:
        content = Content(self._policy.max_answer_bytes, self.url)
        async for part in response.aiter_bytes():
            content.add(part)
        return content.answer(response)

    async def _write(self, file: BinaryIO, response: httpx.Response) -> Answer:
        """Write what the service has sent into the file, which then holds only that; another answer is returned."""
        if not is_content(response):
            return await self._read(response)
        file.seek(0)
        file.truncate()
        async for part in response.aiter_bytes():
            file.write(part)
        return Answer(response.status_code, response.headers, b"", self.url)

    async def _cut(self, response: httpx.Response) -> AsyncIterator[bytes]:
        lines = Lines(self._policy.max_answer_bytes)
        async for part in response.aiter_bytes():
            for line in lines.feed(part):
                yield line
        for line in lines.feed(b"\n"):
            yield line
