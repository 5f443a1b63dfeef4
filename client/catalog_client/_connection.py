"""The connection of a `Catalog`: requests that are sent again, streams that are taken up again, and waiting."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, BinaryIO, TypeVar

import httpx

from catalog_client._bodies import Body
from catalog_client._call import Answer, Call
from catalog_client._calls import P
from catalog_client._errors import CatalogError, UnexpectedAnswerError
from catalog_client._http import Address, Content, E, Lines, Looks, Policy, Tries, is_content

T = TypeVar("T")


class Connection:
    """Raises `ConfigurationError` if the key or a proxy of the environment cannot be used."""

    def __init__(self, address: Address, key: str | None, policy: Policy) -> None:
        self.url = address.display
        """The service's URL, as it may be shown."""
        self._policy = policy
        self._http = address.connect(httpx.Client, key, policy)

    def close(self) -> None:
        self._http.close()

    def send(self, call: Call[T], body: Body | None = None) -> T:
        return call.read(self._answer(call, self._read, body))

    def pages(self, call: Callable[[Any], Call[P]]) -> Iterator[P]:
        """Read page after page; `call` asks for the one at a cursor."""
        cursor: str | int | None = None
        while True:
            page = self.send(call(cursor))
            yield page
            if page.next_cursor in (None, cursor):
                return
            cursor = page.next_cursor

    def save(self, call: Call[None], file: BinaryIO) -> None:
        """Write a streamed answer into the file, again from its start when it breaks off."""
        call.read(self._answer(call, partial(self._write, file)))

    def lines(self, call: Call[None]) -> Iterator[bytes]:
        """Yield the lines of a streamed answer; one that breaks off is taken up again where it broke off."""
        tries, done = Tries(self._policy, call, self.url), 0
        while True:
            outcome: Answer | httpx.TransportError
            try:
                with self._open(call) as response:
                    if is_content(response):
                        skip = done
                        for line in self._cut(response):
                            skip -= 1
                            if skip < 0:
                                yield line
                                done += 1
                                tries.renew()
                        return
                    outcome = self._read(response)
            except httpx.TransportError as error:
                outcome = error
            following = tries.next(outcome)
            if isinstance(following, Answer):
                call.read(following)  # which raises: it is no success
                return
            time.sleep(following)

    def until_ended(
        self,
        look: Callable[..., E],
        known: bool,
        timeout_s: float | None,
        progress: Callable[[E], object] | None,
        trouble: Callable[[CatalogError], object] | None,
    ) -> E:
        looks = Looks(timeout_s, self._policy, known=known, progress=progress is not None)
        while True:
            try:
                record = look(wait_s=looks.wait_s)
            except CatalogError as error:
                pause = looks.pause_after(error)
                if trouble is not None:
                    trouble(error)
                time.sleep(pause)
                continue
            if progress is not None:
                progress(record)
            if looks.ended(record):
                return record

    def _answer(self, call: Call[Any], take: Callable[[httpx.Response], Answer], body: Body | None = None) -> Answer:
        """Return the answer as `take` reads it from the response, after as many tries as it needs."""
        tries = Tries(self._policy, call, self.url)
        while True:
            outcome: Answer | httpx.TransportError
            try:
                with self._open(call, body) as response:
                    outcome = take(response)
            except httpx.TransportError as error:
                outcome = error
            following = tries.next(outcome)
            if isinstance(following, Answer):
                return following
            time.sleep(following)

    @contextmanager
    def _open(self, call: Call[Any], body: Body | None = None) -> Iterator[httpx.Response]:
        content = call.content if body is None else iter(body)
        request = self._http.build_request(
            call.method, call.path, params=call.query, json=call.body, content=content, headers=call.headers
        )
        try:
            with closing(self._http.send(request, stream=True)) as response:
                yield response
        except httpx.DecodingError as error:
            raise UnexpectedAnswerError(f"{self.url} answered something that cannot be decoded: {error}") from error

    def _read(self, response: httpx.Response) -> Answer:
        content = Content(self._policy.max_answer_bytes, self.url)
        for part in response.iter_bytes():
            content.add(part)
        return content.answer(response)

    def _write(self, file: BinaryIO, response: httpx.Response) -> Answer:
        """Write what the service has sent into the file, which then holds only that; another answer is returned."""
        if not is_content(response):
            return self._read(response)
        file.seek(0)
        file.truncate()
        for part in response.iter_bytes():
            file.write(part)
        return Answer(response.status_code, response.headers, b"", self.url)

    def _cut(self, response: httpx.Response) -> Iterator[bytes]:
        lines = Lines(self._policy.max_answer_bytes)
        for part in response.iter_bytes():
            yield from lines.feed(part)
        yield from lines.feed(b"\n")
