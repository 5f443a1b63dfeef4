"""The client for asyncio: the methods of `Catalog`, to be awaited or iterated with `async for`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from catalog_client import _calls as calls
from catalog_client._bodies import AsyncBody
from catalog_client._calls import Answer, Call
from catalog_client._catalog import Catalog
from catalog_client._errors import UnexpectedAnswerError
from catalog_client._http import (
    ANSWER_TIMEOUT_S,
    LONGEST_WAIT_S,
    MAX_ANSWER_BYTES,
    TIMEOUT_S,
    TRIES,
    Address,
    Content,
    E,
    Lines,
    Looks,
    Policy,
    Tries,
    environment_problem,
)
from catalog_client._items import AsyncEntries, AsyncLabels, Encoder, item_source, label_source
from catalog_client._model_records import Drift, Models, Training
from catalog_client._pictures import Picture, inline
from catalog_client._records import (
    Deliveries,
    Health,
    Job,
    LabelCounts,
    LabelSummary,
    Prediction,
    Result,
    ResultsPage,
)

T = TypeVar("T")


class AsyncCatalog:
    """A client of the service for asyncio: the methods and arguments of `Catalog`.

    Use it with `async with`, or call `aclose`. Await each method, except `results` and `pages`: iterate those with
    `async for`. Items and labels may come from asynchronous iterables too.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
        tries: int = TRIES,
        longest_wait_s: float = LONGEST_WAIT_S,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        address = Address(url)
        self._url = address.display
        self._policy = Policy(tries, longest_wait_s, max_answer_bytes)
        self._answer_timeout_s = answer_timeout_s
        timeout = httpx.Timeout(timeout_s, read=answer_timeout_s)
        headers = address.headers(key)
        try:
            self._http = httpx.AsyncClient(base_url=address.url, auth=address.auth, timeout=timeout, headers=headers)
        except (ImportError, OSError, ValueError) as error:
            raise environment_problem(error) from error

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    # Jobs

    async def submit(
        self,
        items: AsyncEntries,
        *,
        pictures: str | Path | None = None,
        webhook_url: str | None = None,
        on_invalid: str | None = None,
        deadline_s: float | None = None,
        error_budget: float | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        folder = None if pictures is None else Path(pictures)
        call = calls.submit(webhook_url, on_invalid, deadline_s, error_budget, idempotency_key)
        with closing(AsyncBody(item_source(items, folder), lambda: Encoder(folder))) as body:
            return await self._send(call, body)

    async def job(self, job: str | Job, *, wait_s: float = 0) -> Job:
        return await self._send(calls.job(job, wait_s))

    async def wait(
        self, job: str | Job, *, timeout_s: float | None = None, progress: Callable[[Job], object] | None = None
    ) -> Job:
        return await self._until_ended(lambda wait_s: self.job(job, wait_s=wait_s), timeout_s, progress)

    async def results(self, job: str | Job, *, status: str | None = None) -> AsyncIterator[Result]:
        call = calls.results(job, status)
        tries, done = Tries(self._policy, call, self._url), 0
        while True:
            outcome: Answer | httpx.TransportError
            try:
                async with self._open(call) as response:
                    if response.is_success:
                        skip = done
                        async for line in self._lines(response):
                            skip -= 1
                            if skip < 0:
                                yield calls.result(line)
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

    async def page(
        self, job: str | Job, *, cursor: str | None = None, limit: int = 1000, status: str | None = None
    ) -> ResultsPage:
        return await self._send(calls.results_page(job, cursor, limit, status))

    async def pages(
        self, job: str | Job, *, cursor: str | None = None, limit: int = 1000, status: str | None = None
    ) -> AsyncIterator[ResultsPage]:
        while True:
            page = await self.page(job, cursor=cursor, limit=limit, status=status)
            yield page
            if page.complete or page.next_cursor == cursor:
                return
            cursor = page.next_cursor

    async def cancel(self, job: str | Job) -> Job:
        return await self._send(calls.cancel(job))

    async def retry(self, job: str | Job, *status: str, idempotency_key: str | None = None) -> Job:
        return await self._send(calls.retry(job, status, idempotency_key))

    async def deliveries(self, job: str | Job) -> Deliveries:
        return await self._send(calls.deliveries(job))

    async def redeliver(self, job: str | Job) -> Deliveries:
        return await self._send(calls.redeliver(job))

    async def predict(
        self, description: str | None = None, *, image: Picture | None = None, pictures: str | Path | None = None
    ) -> Prediction:
        return await self._send(calls.predict(description, inline(image, pictures)))

    # Labels and trainings

    async def send_labels(
        self,
        labels: AsyncLabels,
        *,
        pictures: str | Path | None = None,
        job_id: str | None = None,
        on_invalid: str | None = None,
        idempotency_key: str | None = None,
    ) -> LabelSummary:
        folder = None if pictures is None else Path(pictures)
        with closing(AsyncBody(label_source(labels, folder, job_id), lambda: Encoder(folder))) as body:
            return await self._send(calls.send_labels(on_invalid, idempotency_key), body)

    async def label_counts(self) -> LabelCounts:
        return await self._send(calls.label_counts())

    async def train(
        self,
        params: Mapping[str, Any] | None = None,
        *,
        source: str | None = None,
        unlabelled: Sequence[str] = (),
        revision: str | None = None,
        promote: str | None = None,
        webhook_url: str | None = None,
        deadline_s: float | None = None,
        idempotency_key: str | None = None,
    ) -> Training:
        request = {
            "params": params,
            "source": source,
            "unlabelled": list(unlabelled) or None,
            "revision": revision,
            "promote": promote,
            "webhook_url": webhook_url,
            "deadline_s": deadline_s,
        }
        return await self._send(calls.train(request, idempotency_key))

    async def training_sources(self) -> tuple[str, ...]:
        return await self._send(calls.training_sources())

    async def training(self, training: str | Training, *, wait_s: float = 0) -> Training:
        return await self._send(calls.training(training, wait_s))

    async def wait_training(
        self,
        training: str | Training,
        *,
        timeout_s: float | None = None,
        progress: Callable[[Training], object] | None = None,
    ) -> Training:
        return await self._until_ended(lambda wait_s: self.training(training, wait_s=wait_s), timeout_s, progress)

    async def trainings(self, *, limit: int = 20) -> tuple[Training, ...]:
        return await self._send(calls.trainings(limit))

    async def cancel_training(self, training: str | Training) -> Training:
        return await self._send(calls.cancel_training(training))

    async def training_log(self, training: str | Training, *, lines: int = 200) -> str:
        return await self._send(calls.training_log(training, lines))

    # Models, drift, health

    async def models(self) -> Models:
        return await self._send(calls.models())

    async def promote(self, version: str | int, *, reason: str = "", force: bool = False) -> Models:
        return await self._send(calls.promote(version, reason, force))

    async def rollback(self, *, reason: str = "") -> Models:
        return await self._send(calls.rollback(reason))

    async def drift(self, *, days: int = 7, bundle: str | None = None) -> Drift:
        return await self._send(calls.drift(days, bundle))

    async def health(self) -> Health:
        return await self._send(calls.health())

    async def _send(self, call: Call[T], body: AsyncBody | None = None) -> T:
        tries = Tries(self._policy, call, self._url)
        while True:
            outcome: Answer | httpx.TransportError
            try:
                async with self._open(call, body) as response:
                    outcome = await self._read(response)
            except httpx.TransportError as error:
                outcome = error
            following = tries.next(outcome)
            if isinstance(following, Answer):
                return call.read(following)
            await asyncio.sleep(following)

    @asynccontextmanager
    async def _open(self, call: Call[Any], body: AsyncBody | None = None) -> AsyncIterator[httpx.Response]:
        content = None if body is None else aiter(body)
        request = self._http.build_request(
            call.method, call.path, params=call.query, json=call.body, content=content, headers=call.headers
        )
        try:
            async with aclosing(await self._http.send(request, stream=True)) as response:
                yield response
        except httpx.DecodingError as error:
            raise UnexpectedAnswerError(f"{self._url} answered something that cannot be decoded: {error}") from error

    async def _read(self, response: httpx.Response) -> Answer:
        content = Content(self._policy.max_answer_bytes, self._url)
        async for part in response.aiter_bytes():
            content.add(part)
        return content.answer(response)

    async def _lines(self, response: httpx.Response) -> AsyncIterator[bytes]:
        lines = Lines(self._policy.max_answer_bytes)
        async for part in response.aiter_bytes():
            for line in lines.feed(part):
                yield line
        for line in lines.feed(b"\n"):
            yield line

    async def _until_ended(
        self, look: Callable[[float], Awaitable[E]], timeout_s: float | None, progress: Callable[[E], object] | None
    ) -> E:
        looks, wait_s = Looks(timeout_s, self._answer_timeout_s, progress=progress is not None), 0.0
        while True:
            record = await look(wait_s)
            if progress is not None:
                progress(record)
            following = looks.next(record)
            if following is None:
                return record
            wait_s = following


for _name, _method in vars(AsyncCatalog).items():
    if not _name.startswith("_"):
        _method.__doc__ = getattr(Catalog, _name.replace("aclose", "close")).__doc__
