"""The client for programs that wait for each answer."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from catalog_client import _calls as calls
from catalog_client._bodies import Body
from catalog_client._calls import Answer, Call
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
from catalog_client._items import Encoder, Entries, Labels, item_source, label_source
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


class Catalog:
    """A client of the service. Use it as a context manager, or call `close`.

    Every method raises a `CatalogError`; its docstring shows the tree. A request is sent again when the connection
    breaks or the service is busy (429, 503), unless that could have a second effect. Jobs, labels and trainings are
    sent with an idempotency key, so that they have one effect however often they are sent.

    Args:
        url: Where the service is, such as `http://127.0.0.1:5000`.
        key: Your API key, where the service asks for one. It is never shown.
        timeout_s: Seconds for connecting and for each part of a request to be sent.
        answer_timeout_s: Seconds for each part of an answer to arrive.
        tries: How often a request is sent at most.
        longest_wait_s: The longest pause between two tries, whatever the service's `Retry-After` says.
        max_answer_bytes: The largest answer to read into memory, or the longest line of a streamed one.

    Raises:
        ConfigurationError: the URL, the key, or a proxy of the environment cannot be used.
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
            self._http = httpx.Client(base_url=address.url, auth=address.auth, timeout=timeout, headers=headers)
        except (ImportError, OSError, ValueError) as error:
            raise environment_problem(error) from error

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # Jobs

    def submit(
        self,
        items: Entries,
        *,
        pictures: str | Path | None = None,
        webhook_url: str | None = None,
        on_invalid: str | None = None,
        deadline_s: float | None = None,
        error_budget: float | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Send items as one job; returns it as it was accepted.

        Items are sent as they are read, so that they need not fit into memory. Those of a generator are recorded in a
        temporary file until the job is accepted, because a further try sends them again.

        Args:
            items: `Item`s or mappings with id, title, description and image: an iterable, a generator, a function that
                returns one, a pandas DataFrame, or the path of a .csv or .ndjson.
            pictures: The folder in which pictures that are named lie.
            webhook_url: Called, with a signature, when the job has ended: see `catalog_client.webhooks`.
            on_invalid: "reject" (the default): one invalid item means that none is accepted; "skip" leaves it out.
            deadline_s: Seconds after which items that are not classified expire.
            error_budget: The job stops when more than this percentage of its items has failed.
            idempotency_key: Your own key for the request; by default a new one.

        Raises:
            InputError: an item cannot be sent.
            ProblemError: the service refused the job; `errors` names the items.
        """
        folder = None if pictures is None else Path(pictures)
        call = calls.submit(webhook_url, on_invalid, deadline_s, error_budget, idempotency_key)
        with closing(Body(item_source(items, folder), lambda: Encoder(folder))) as body:
            return self._send(call, body)

    def job(self, job: str | Job, *, wait_s: float = 0) -> Job:
        """Return the job as it is once it has ended, or after `wait_s` (at most 30)."""
        return self._send(calls.job(job, wait_s))

    def wait(
        self, job: str | Job, *, timeout_s: float | None = None, progress: Callable[[Job], object] | None = None
    ) -> Job:
        """Wait for the job's end, and return the job.

        Args:
            timeout_s: Seconds to wait at most; without it there is no limit but the job's own deadline.
            progress: Called with the job at every look, the last one included.

        Raises:
            WaitTimeoutError: it has not ended in time; it goes on.
        """
        return self._until_ended(lambda wait_s: self.job(job, wait_s=wait_s), timeout_s, progress)

    def results(self, job: str | Job, *, status: str | None = None) -> Iterator[Result]:
        """Stream the results that the job has so far, in the order in which they were finished.

        A stream that breaks off is taken up again where it broke off.
        """
        call = calls.results(job, status)
        tries, done = Tries(self._policy, call, self._url), 0
        while True:
            outcome: Answer | httpx.TransportError
            try:
                with self._open(call) as response:
                    if response.is_success:
                        skip = done
                        for line in self._lines(response):
                            skip -= 1
                            if skip < 0:
                                yield calls.result(line)
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

    def page(
        self, job: str | Job, *, cursor: str | None = None, limit: int = 1000, status: str | None = None
    ) -> ResultsPage:
        """Return one page of results: the first, or the one behind a `next_cursor`."""
        return self._send(calls.results_page(job, cursor, limit, status))

    def pages(
        self, job: str | Job, *, cursor: str | None = None, limit: int = 1000, status: str | None = None
    ) -> Iterator[ResultsPage]:
        """Page through the results that the job has so far; keep a `next_cursor` to go on later."""
        while True:
            page = self.page(job, cursor=cursor, limit=limit, status=status)
            yield page
            if page.complete or page.next_cursor == cursor:
                return
            cursor = page.next_cursor

    def cancel(self, job: str | Job) -> Job:
        """End the job now; what was classified stays readable."""
        return self._send(calls.cancel(job))

    def retry(self, job: str | Job, *status: str, idempotency_key: str | None = None) -> Job:
        """Classify items of an ended job again, as a new job.

        Args:
            status: Which items: failed, expired, cancelled; by default failed and expired. A job that a client
                cancelled has no cancelled ones left.
        """
        return self._send(calls.retry(job, status, idempotency_key))

    def deliveries(self, job: str | Job) -> Deliveries:
        """Return the attempts to deliver the job's webhook."""
        return self._send(calls.deliveries(job))

    def redeliver(self, job: str | Job) -> Deliveries:
        """Deliver the webhook of an ended job again."""
        return self._send(calls.redeliver(job))

    def predict(
        self, description: str | None = None, *, image: Picture | None = None, pictures: str | Path | None = None
    ) -> Prediction:
        """Classify one product at once, and return the answer."""
        return self._send(calls.predict(description, inline(image, pictures)))

    # Labels and trainings

    def send_labels(
        self,
        labels: Labels,
        *,
        pictures: str | Path | None = None,
        job_id: str | None = None,
        on_invalid: str | None = None,
        idempotency_key: str | None = None,
    ) -> LabelSummary:
        """Send labels for trainings to learn from.

        Args:
            labels: `Label`s or mappings, in the ways in which `submit` takes items.
            pictures: The folder in which pictures that are named lie.
            job_id: The job whose results the rows of a table or frame name.
            on_invalid: "reject" (the default) or "skip".
            idempotency_key: Your own key for the request; by default a new one.
        """
        folder = None if pictures is None else Path(pictures)
        with closing(Body(label_source(labels, folder, job_id), lambda: Encoder(folder))) as body:
            return self._send(calls.send_labels(on_invalid, idempotency_key), body)

    def label_counts(self) -> LabelCounts:
        """Return how many labels there are, and of what."""
        return self._send(calls.label_counts())

    def train(
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
        """Ask for a training; returns it as it was accepted.

        Args:
            params: Overrides of params.yaml, nested as they are there.
            source: The catalogue to learn from: one of `training_sources()`.
            unlabelled: Texts without a label to learn from as well: some of `training_sources()`.
            revision: The branch, tag or commit to train with.
            promote: "auto" (the default): the model serves when it passes the gate; "manual" and "never" leave it.
            webhook_url: Called, with a signature, when the training has ended.
            deadline_s: Seconds after which the training is stopped.
            idempotency_key: Your own key for the request; by default a new one.
        """
        request = {
            "params": params,
            "source": source,
            "unlabelled": list(unlabelled) or None,
            "revision": revision,
            "promote": promote,
            "webhook_url": webhook_url,
            "deadline_s": deadline_s,
        }
        return self._send(calls.train(request, idempotency_key))

    def training_sources(self) -> tuple[str, ...]:
        """Return the names of what a training may learn from; the operator has given them."""
        return self._send(calls.training_sources())

    def training(self, training: str | Training, *, wait_s: float = 0) -> Training:
        """Return the training as it is once it has ended, or after `wait_s` (at most 30)."""
        return self._send(calls.training(training, wait_s))

    def wait_training(
        self,
        training: str | Training,
        *,
        timeout_s: float | None = None,
        progress: Callable[[Training], object] | None = None,
    ) -> Training:
        """Wait for the training's end, and return the training; see `wait`."""
        return self._until_ended(lambda wait_s: self.training(training, wait_s=wait_s), timeout_s, progress)

    def trainings(self, *, limit: int = 20) -> tuple[Training, ...]:
        """Return your trainings, the newest first."""
        return self._send(calls.trainings(limit))

    def cancel_training(self, training: str | Training) -> Training:
        """End the training now, with all its processes."""
        return self._send(calls.cancel_training(training))

    def training_log(self, training: str | Training, *, lines: int = 200) -> str:
        """Return the last lines that the training's stages have printed."""
        return self._send(calls.training_log(training, lines))

    # Models, drift, health

    def models(self) -> Models:
        """Return the registered versions, and which of them serves."""
        return self._send(calls.models())

    def promote(self, version: str | int, *, reason: str = "", force: bool = False) -> Models:
        """Make a version the champion; `force` overrides the gate's verdict."""
        return self._send(calls.promote(version, reason, force))

    def rollback(self, *, reason: str = "") -> Models:
        """Put the previous champion back into service."""
        return self._send(calls.rollback(reason))

    def drift(self, *, days: int = 7, bundle: str | None = None) -> Drift:
        """Return how far what comes in has moved away from what each bundle was validated on."""
        return self._send(calls.drift(days, bundle))

    def health(self) -> Health:
        """Return whether the service can take work."""
        return self._send(calls.health())

    def _send(self, call: Call[T], body: Body | None = None) -> T:
        tries = Tries(self._policy, call, self._url)
        while True:
            outcome: Answer | httpx.TransportError
            try:
                with self._open(call, body) as response:
                    outcome = self._read(response)
            except httpx.TransportError as error:
                outcome = error
            following = tries.next(outcome)
            if isinstance(following, Answer):
                return call.read(following)
            time.sleep(following)

    @contextmanager
    def _open(self, call: Call[Any], body: Body | None = None) -> Iterator[httpx.Response]:
        content = None if body is None else iter(body)
        request = self._http.build_request(
            call.method, call.path, params=call.query, json=call.body, content=content, headers=call.headers
        )
        try:
            with closing(self._http.send(request, stream=True)) as response:
                yield response
        except httpx.DecodingError as error:
            raise UnexpectedAnswerError(f"{self._url} answered something that cannot be decoded: {error}") from error

    def _read(self, response: httpx.Response) -> Answer:
        content = Content(self._policy.max_answer_bytes, self._url)
        for part in response.iter_bytes():
            content.add(part)
        return content.answer(response)

    def _lines(self, response: httpx.Response) -> Iterator[bytes]:
        lines = Lines(self._policy.max_answer_bytes)
        for part in response.iter_bytes():
            yield from lines.feed(part)
        yield from lines.feed(b"\n")

    def _until_ended(
        self, look: Callable[[float], E], timeout_s: float | None, progress: Callable[[E], object] | None
    ) -> E:
        looks, wait_s = Looks(timeout_s, self._answer_timeout_s, progress=progress is not None), 0.0
        while True:
            record = look(wait_s)
            if progress is not None:
                progress(record)
            following = looks.next(record)
            if following is None:
                return record
            wait_s = following
