"""The client for asyncio: the methods of `Catalog`, to be awaited or iterated with `async for`."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from catalog_client import _calls as calls
from catalog_client._async_connection import AsyncConnection
from catalog_client._bodies import AsyncBody
from catalog_client._calls import ItemFilters, JobFilters
from catalog_client._catalog import Catalog
from catalog_client._decisions import AsyncDecisionMethods
from catalog_client._errors import CatalogError
from catalog_client._files import form_of, replacing
from catalog_client._http import (
    ANSWER_TIMEOUT_S,
    LONGEST_WAIT_S,
    MAX_ANSWER_BYTES,
    OUTAGE_S,
    TIMEOUT_S,
    TRIES,
    Address,
    Policy,
)
from catalog_client._item_records import JobItem
from catalog_client._items import AsyncEntries, AsyncLabels, Encoder, item_source, label_source
from catalog_client._model_records import Training
from catalog_client._models import AsyncModelMethods
from catalog_client._pictures import Picture, inline
from catalog_client._records import (
    Deliveries,
    Explanation,
    Job,
    LabelCounts,
    LabelSummary,
    Prediction,
    Result,
    ResultsPage,
)
from catalog_client._taxonomies import AsyncTaxonomyMethods


class AsyncCatalog(AsyncDecisionMethods, AsyncModelMethods, AsyncTaxonomyMethods):
    """A client of the service for asyncio: the methods and arguments of `Catalog`.

    Use it with `async with`, or call `aclose`. Await each method; but iterate `results`, `pages`, `items`, `all_jobs`
    and `decisions` with `async for`. Items and labels may come from asynchronous iterables too.
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
        outage_s: float = OUTAGE_S,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        policy = Policy(timeout_s, answer_timeout_s, tries, longest_wait_s, outage_s, max_answer_bytes)
        self._connection = AsyncConnection(Address(url), key, policy)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._connection.aclose()

    # Jobs

    async def submit(
        self,
        items: AsyncEntries,
        *,
        pictures: str | Path | None = None,
        mapping: Mapping[str, str] | None = None,
        own_columns: bool = True,
        webhook_url: str | None = None,
        on_invalid: str | None = None,
        deadline_s: float | None = None,
        error_budget: float | None = None,
        all_pictures: bool = False,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        folder = None if pictures is None else Path(pictures)
        call = calls.submit(
            webhook_url, on_invalid, deadline_s, error_budget, all_pictures, name, metadata, idempotency_key
        )
        with closing(
            AsyncBody(item_source(items, folder, mapping, own_columns=own_columns), lambda: Encoder(folder))
        ) as body:
            return await self._connection.send(call, body)

    async def job(self, job: str | Job, *, wait_s: float = 0) -> Job:
        return await self._connection.send(calls.job(job, wait_s))

    async def jobs(self, *, limit: int = 20, **filters: Unpack[JobFilters]) -> tuple[Job, ...]:
        found = list[Job]()
        async for page in self._connection.pages(lambda cursor: calls.jobs(limit - len(found), cursor, filters)):
            found.extend(page.jobs)
            if len(found) >= limit:
                break
        return tuple(found)

    async def all_jobs(self, **filters: Unpack[JobFilters]) -> AsyncIterator[Job]:
        async for page in self._connection.pages(lambda cursor: calls.jobs(None, cursor, filters)):
            for job in page.jobs:
                yield job

    async def wait(
        self,
        job: str | Job,
        *,
        timeout_s: float | None = None,
        progress: Callable[[Job], object] | None = None,
        trouble: Callable[[CatalogError], object] | None = None,
    ) -> Job:
        look = partial(self.job, job)
        return await self._connection.until_ended(look, isinstance(job, Job), timeout_s, progress, trouble)

    async def results(self, job: str | Job, *, status: str | None = None) -> AsyncIterator[Result]:
        async for line in self._connection.lines(calls.results(job, status)):
            yield calls.result(line)

    async def page(
        self, job: str | Job, *, cursor: str | None = None, limit: int = 1000, status: str | None = None
    ) -> ResultsPage:
        return await self._connection.send(calls.results_page(job, cursor, limit, status))

    async def pages(
        self, job: str | Job, *, cursor: str | None = None, limit: int = 1000, status: str | None = None
    ) -> AsyncIterator[ResultsPage]:
        while True:
            page = await self.page(job, cursor=cursor, limit=limit, status=status)
            yield page
            if page.complete or page.next_cursor == cursor:
                return
            cursor = page.next_cursor

    async def download(
        self, job: str | Job, path: str | Path, *, form: str | None = None, status: str | None = None
    ) -> None:
        with replacing(Path(path)) as file:
            await self._connection.save(calls.export(job, form or form_of(path), status), file)

    async def cancel(self, job: str | Job) -> Job:
        return await self._connection.send(calls.cancel(job))

    async def retry(self, job: str | Job, *status: str, idempotency_key: str | None = None) -> Job:
        return await self._connection.send(calls.retry(job, status, idempotency_key))

    async def deliveries(self, job: str | Job) -> Deliveries:
        return await self._connection.send(calls.deliveries(job))

    async def redeliver(self, job: str | Job) -> Deliveries:
        return await self._connection.send(calls.redeliver(job))

    async def items(
        self, job: str | Job, *, order: str = "sent", **filters: Unpack[ItemFilters]
    ) -> AsyncIterator[JobItem]:
        async for page in self._connection.pages(lambda cursor: calls.items(job, order, cursor, filters)):
            for item in page.items:
                yield item

    async def picture(self, job: str | Job, index: int) -> bytes:
        return await self._connection.send(calls.picture(job, index))

    async def explain(self, job: str | Job, index: int) -> Explanation:
        return await self._connection.send(calls.explanation(job, index))

    async def predict(
        self,
        description: str | None = None,
        *,
        image: Picture | None = None,
        pictures: str | Path | None = None,
        explain: bool = False,
    ) -> Prediction:
        return await self._connection.send(calls.predict(description, inline(image, pictures), explain=explain))

    # Labels and trainings

    async def send_labels(
        self,
        labels: AsyncLabels,
        *,
        pictures: str | Path | None = None,
        mapping: Mapping[str, str] | None = None,
        job_id: str | None = None,
        on_invalid: str | None = None,
        idempotency_key: str | None = None,
    ) -> LabelSummary:
        folder = None if pictures is None else Path(pictures)
        with closing(AsyncBody(label_source(labels, folder, job_id, mapping), lambda: Encoder(folder))) as body:
            return await self._connection.send(calls.send_labels(on_invalid, idempotency_key), body)

    async def label_counts(self) -> LabelCounts:
        return await self._connection.send(calls.label_counts())

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
        return await self._connection.send(calls.train(request, idempotency_key))

    async def training_sources(self) -> tuple[str, ...]:
        return await self._connection.send(calls.training_sources())

    async def training(self, training: str | Training, *, wait_s: float = 0) -> Training:
        return await self._connection.send(calls.training(training, wait_s))

    async def wait_training(
        self,
        training: str | Training,
        *,
        timeout_s: float | None = None,
        progress: Callable[[Training], object] | None = None,
        trouble: Callable[[CatalogError], object] | None = None,
    ) -> Training:
        look = partial(self.training, training)
        return await self._connection.until_ended(look, isinstance(training, Training), timeout_s, progress, trouble)

    async def trainings(self, *, limit: int = 20) -> tuple[Training, ...]:
        return await self._connection.send(calls.trainings(limit))

    async def cancel_training(self, training: str | Training) -> Training:
        return await self._connection.send(calls.cancel_training(training))

    async def training_log(self, training: str | Training, *, lines: int = 200) -> str:
        return await self._connection.send(calls.training_log(training, lines))


for _part in (AsyncCatalog, *AsyncCatalog.__bases__):
    for _name, _method in vars(_part).items():
        if not _name.startswith("_"):
            _method.__doc__ = getattr(Catalog, _name.replace("aclose", "close")).__doc__
