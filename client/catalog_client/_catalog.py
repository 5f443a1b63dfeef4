"""The client for programs that wait for each answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from catalog_client import _calls as calls
from catalog_client._bodies import Body
from catalog_client._calls import ItemFilters, JobFilters
from catalog_client._connection import Connection
from catalog_client._decisions import DecisionMethods
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
from catalog_client._items import Encoder, Entries, Labels, item_source, label_source
from catalog_client._model_records import Training
from catalog_client._models import ModelMethods
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
from catalog_client._taxonomies import TaxonomyMethods


class Catalog(DecisionMethods, ModelMethods, TaxonomyMethods):
    """A client of the service. Use it as a context manager, or call `close`.

    Every method raises a `CatalogError`; its docstring shows the tree. A request is sent again when the connection
    breaks or the service is busy (429, 502, 503, 504), unless that could have a second effect. Jobs, labels,
    decisions and trainings are sent with an idempotency key, so that they have one effect however often they are sent.

    Args:
        url: Where the service is, such as `http://127.0.0.1:5000`.
        key: Your API key, where the service asks for one. It is never shown.
        timeout_s: Seconds for connecting and for each part of a request to be sent.
        answer_timeout_s: Seconds for each part of an answer to arrive.
        tries: How often a request is sent at most.
        longest_wait_s: The longest pause between two tries, whatever the service's `Retry-After` says.
        outage_s: How many seconds `wait` and `wait_training` go on while the service does not answer, or something
            else answers in its place: a gateway, a login page.
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
        outage_s: float = OUTAGE_S,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        policy = Policy(timeout_s, answer_timeout_s, tries, longest_wait_s, outage_s, max_answer_bytes)
        self._connection = Connection(Address(url), key, policy)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    # Jobs

    def submit(
        self,
        items: Entries,
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
        """Send items as one job; returns it as it was accepted.

        Items are sent as they are read, so that they need not fit into memory. Those of a generator are recorded in a
        temporary file until the job is accepted, because a further try sends them again.

        Args:
            items: `Item`s or mappings with id, title, description and image: an iterable, a generator, a function that
                returns one, a pandas DataFrame, a `Table`, or the path of a .csv, .tsv, .txt, .ndjson or .jsonl, each
                perhaps with .gz, of a .xlsx or a pipe.
            pictures: The folder in which pictures that are named lie.
            mapping: Names of columns of a path's table or a frame by the field that they hold, such as
                {"title": "Libellé"}.
            own_columns: Whether further columns of a path's table or a frame are sent as the items' `metadata`, which
                comes back with the results.
            webhook_url: Called, with a signature, when the job has ended: see `catalog_client.webhooks`.
            on_invalid: "reject" (the default): one invalid item means that none is accepted; "skip" leaves it out.
            deadline_s: Seconds after which items that are not classified expire.
            error_budget: The job stops when more than this percentage of its items has failed.
            all_pictures: Every picture is looked at, also where the text alone is sure.
            name: Your name for the job, of up to 200 characters, by which `jobs` finds it again.
            metadata: Up to 16 texts of yours by key, for the same; with all options, 8 KiB as a part of a URL.
            idempotency_key: Your own key for the request; by default a new one.

        Raises:
            InputError: an item cannot be sent.
            ProblemError: the service refused the job; `errors` names the items.
        """
        folder = None if pictures is None else Path(pictures)
        call = calls.submit(
            webhook_url, on_invalid, deadline_s, error_budget, all_pictures, name, metadata, idempotency_key
        )
        with closing(
            Body(item_source(items, folder, mapping, own_columns=own_columns), lambda: Encoder(folder))
        ) as body:
            return self._connection.send(call, body)

    def job(self, job: str | Job, *, wait_s: float = 0) -> Job:
        """Return the job as it is once it has ended, or after `wait_s` (at most 30)."""
        return self._connection.send(calls.job(job, wait_s))

    def jobs(self, *, limit: int = 20, **filters: Unpack[JobFilters]) -> tuple[Job, ...]:
        """Return your jobs, the newest first: `limit` of them at most. `all_jobs` has no limit.

        Args:
            filters: `state`: only jobs in that state, or in one of several. `q`: only jobs in which all these words
                occur, in the name, in a value of the metadata, or in the id. `metadata`: only jobs that have all these
                pairs. `created_after` and `created_before`: `datetime`s; one without a zone is this machine's time.
        """
        found = list[Job]()
        for page in self._connection.pages(lambda cursor: calls.jobs(limit - len(found), cursor, filters)):
            found.extend(page.jobs)
            if len(found) >= limit:
                break
        return tuple(found)

    def all_jobs(self, **filters: Unpack[JobFilters]) -> Iterator[Job]:
        """Iterate over all your jobs, the newest first, with the filters of `jobs`."""
        for page in self._connection.pages(lambda cursor: calls.jobs(None, cursor, filters)):
            yield from page.jobs

    def wait(
        self,
        job: str | Job,
        *,
        timeout_s: float | None = None,
        progress: Callable[[Job], object] | None = None,
        trouble: Callable[[CatalogError], object] | None = None,
    ) -> Job:
        """Wait for the job's end, and return the job.

        A request that fails does not end the wait, once the service has answered: it goes on for `outage_s`.

        Args:
            timeout_s: Seconds to wait at most; without it there is no limit but the job's own deadline.
            progress: Called with the job at every look, the last one included.
            trouble: Called with the error after every look that failed and is made again.

        Raises:
            WaitTimeoutError: it has not ended in time; it goes on.
        """
        look = partial(self.job, job)
        return self._connection.until_ended(look, isinstance(job, Job), timeout_s, progress, trouble)

    def results(self, job: str | Job, *, status: str | None = None) -> Iterator[Result]:
        """Stream the results that the job has so far, in the order in which they were finished.

        A stream that breaks off is taken up again where it broke off.
        """
        return map(calls.result, self._connection.lines(calls.results(job, status)))

    def page(
        self, job: str | Job, *, cursor: str | None = None, limit: int = 1000, status: str | None = None
    ) -> ResultsPage:
        """Return one page of results: the first, or the one behind a `next_cursor`."""
        return self._connection.send(calls.results_page(job, cursor, limit, status))

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

    def download(self, job: str | Job, path: str | Path, *, form: str | None = None, status: str | None = None) -> None:
        """Save the results that the job has so far in a file, which appears when it is complete.

        Args:
            path: The file; one that is there is replaced.
            form: ndjson, csv, csv-raw or parquet; by default what the file's name ends in, else ndjson. `csv` has an
                apostrophe before each text that a spreadsheet would take for a formula.
            status: Only results with this status.

        Raises:
            OSError: the file cannot be written.
        """
        with replacing(Path(path)) as file:
            self._connection.save(calls.export(job, form or form_of(path), status), file)

    def cancel(self, job: str | Job) -> Job:
        """End the job now; what was classified stays readable."""
        return self._connection.send(calls.cancel(job))

    def retry(self, job: str | Job, *status: str, idempotency_key: str | None = None) -> Job:
        """Classify items of an ended job again, as a new job.

        Args:
            status: Which items: failed, expired, cancelled; by default failed and expired. A job that a client
                cancelled has no cancelled ones left.
        """
        return self._connection.send(calls.retry(job, status, idempotency_key))

    def deliveries(self, job: str | Job) -> Deliveries:
        """Return the attempts to deliver the job's webhook."""
        return self._connection.send(calls.deliveries(job))

    def redeliver(self, job: str | Job) -> Deliveries:
        """Deliver the webhook of an ended job again."""
        return self._connection.send(calls.redeliver(job))

    def items(self, job: str | Job, *, order: str = "sent", **filters: Unpack[ItemFilters]) -> Iterator[JobItem]:
        """Iterate over what was sent in a job beside what was answered.

        Args:
            order: `sent`, `committed` (as they were done) or `least_sure` (the lowest confidence first).
            filters: `status`, `needs_review`, `category` (a code; those below it, too), `min_confidence`,
                `max_confidence`, `branches_disagree` (text and picture alone), `bundle`, `decided`, `decided_by` (a
                person) and `q` (words of title and description): only items that are everything that is given.
        """
        for page in self._connection.pages(lambda cursor: calls.items(job, order, cursor, filters)):
            yield from page.items

    def picture(self, job: str | Job, index: int) -> bytes:
        """Return the picture that was sent with an item, as it was sent; `index` is the result's."""
        return self._connection.send(calls.picture(job, index))

    def explain(self, job: str | Job, index: int) -> Explanation:
        """Return which words carried an item's answer; `index` is the result's.

        The model in service answers the item once more; `bundle` names it.
        """
        return self._connection.send(calls.explanation(job, index))

    def predict(
        self,
        description: str | None = None,
        *,
        image: Picture | None = None,
        pictures: str | Path | None = None,
        explain: bool = False,
    ) -> Prediction:
        """Classify one product at once, and return the answer; with `explain`, its `explanation` says why."""
        return self._connection.send(calls.predict(description, inline(image, pictures), explain=explain))

    # Labels and trainings

    def send_labels(
        self,
        labels: Labels,
        *,
        pictures: str | Path | None = None,
        mapping: Mapping[str, str] | None = None,
        job_id: str | None = None,
        on_invalid: str | None = None,
        idempotency_key: str | None = None,
    ) -> LabelSummary:
        """Send labels for trainings to learn from.

        Args:
            labels: `Label`s or mappings, in the ways in which `submit` takes items.
            pictures: The folder in which pictures that are named lie.
            mapping: As for `submit`.
            job_id: The job whose results the rows of a table or frame name.
            on_invalid: "reject" (the default) or "skip".
            idempotency_key: Your own key for the request; by default a new one.
        """
        folder = None if pictures is None else Path(pictures)
        with closing(Body(label_source(labels, folder, job_id, mapping), lambda: Encoder(folder))) as body:
            return self._connection.send(calls.send_labels(on_invalid, idempotency_key), body)

    def label_counts(self) -> LabelCounts:
        """Return how many labels there are, and of what."""
        return self._connection.send(calls.label_counts())

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
        return self._connection.send(calls.train(request, idempotency_key))

    def training_sources(self) -> tuple[str, ...]:
        """Return the names of what a training may learn from; the operator has given them."""
        return self._connection.send(calls.training_sources())

    def training(self, training: str | Training, *, wait_s: float = 0) -> Training:
        """Return the training as it is once it has ended, or after `wait_s` (at most 30)."""
        return self._connection.send(calls.training(training, wait_s))

    def wait_training(
        self,
        training: str | Training,
        *,
        timeout_s: float | None = None,
        progress: Callable[[Training], object] | None = None,
        trouble: Callable[[CatalogError], object] | None = None,
    ) -> Training:
        """Wait for the training's end, and return the training; see `wait`."""
        look = partial(self.training, training)
        return self._connection.until_ended(look, isinstance(training, Training), timeout_s, progress, trouble)

    def trainings(self, *, limit: int = 20) -> tuple[Training, ...]:
        """Return your trainings, the newest first."""
        return self._connection.send(calls.trainings(limit))

    def cancel_training(self, training: str | Training) -> Training:
        """End the training now, with all its processes."""
        return self._connection.send(calls.cancel_training(training))

    def training_log(self, training: str | Training, *, lines: int = 200) -> str:
        """Return the last lines that the training's stages have printed."""
        return self._connection.send(calls.training_log(training, lines))
