"""What the service answers about jobs and labels, as typed records.

States are plain strings: a newer service may have more of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from catalog_client._parsing import Record, older


@dataclass(frozen=True, kw_only=True)
class Counts(Record):
    """How many items of a job ended in which way; all but `needs_review` add up to `total`."""

    total: int
    pending: int = 0
    succeeded: int = 0
    failed: int = 0
    invalid: int = 0
    cancelled: int = 0
    expired: int = 0
    needs_review: int = 0


@dataclass(frozen=True, kw_only=True)
class WebhookStatus(Record):
    """Where a job's webhook is."""

    url: str
    state: str
    attempts: int = 0


@dataclass(frozen=True, kw_only=True)
class QueuePlace(Record):
    """Where a job or a training stands in its queue."""

    position: int | None = None
    lane: str | None = None
    waiting_items: int | None = None


@dataclass(frozen=True, kw_only=True)
class QueuedWork(Record):
    """What a job and a training have in common: state, place in the queue, times, and the webhook."""

    id: str
    state: str
    """queued, running, completed, partial, failed, cancelled or expired; a training is never partial."""
    reason: str | None = None
    """Why it ended early: deadline, or error_budget for a job."""
    queue: QueuePlace | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    deadline_at: datetime | None = None
    estimated_finish_at: datetime | None = None
    webhook: WebhookStatus | None = None
    trace_id: str | None = None

    @property
    def ended(self) -> bool:
        return self.finished_at is not None


@dataclass(frozen=True, kw_only=True)
class Job(QueuedWork):
    """A job: its state, its counts, and when it began and ended."""

    counts: Counts
    open: int | None = None
    """How many of the items that need a review are not decided; None from a service that knows no decisions."""
    bundles: Mapping[str, int] = field(default_factory=dict, metadata={"older": "model_versions"})
    """How many items each bundle classified."""
    progress: float = 0
    rate: float | None = None
    results_expire_at: datetime | None = None
    error_budget: float | None = None
    pictures: str | None = None
    """when_needed or always."""
    parent: str | None = None
    """The job whose items this one retries."""
    name: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class JobsPage(Record):
    """A page of your jobs, the newest first."""

    jobs: tuple[Job, ...]
    next_cursor: str | None = None
    """None on the last page."""


@dataclass(frozen=True, kw_only=True)
class Category(Record):
    """A category, and how sure the model is of it."""

    code: str
    name: str = ""
    confidence: float = 0


@dataclass(frozen=True, kw_only=True)
class ChosenCategory(Record):
    """A category that an item was given."""

    code: str
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class DecisionInForce(Record):
    """What a person decided about an item."""

    id: str
    by: str
    at: datetime | None = None
    category: ChosenCategory | None = None
    """None if no category fits."""
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class RememberedDecision(DecisionInForce):
    """A decision before an item came."""

    match: str = "same"
    """same: it was about an item with the same words and picture, and is the answer. near: about one whose words differ
    in numbers, sizes and colours alone; it is the answer where the model agrees, and else the item needs a review."""


@dataclass(frozen=True, kw_only=True)
class NearestDecision(DecisionInForce):
    """A decided item whose words are like those of another item, and what was decided about it."""

    title: str | None = None
    """The item's title, shortened to 200 characters."""
    similarity: float = 0
    """1 for the same words, 0 for none in common."""


@dataclass(frozen=True, kw_only=True)
class AnsweredCategory(Category):
    """An item's category, and where in the tree it lies; services before this release send no path."""

    path: tuple[Category, ...] = ()
    """From the root to the answer; the confidence of each is the sum of all that lies below it."""
    sure: Category | None = None
    """The deepest category of the path that is sure; None if not even the first one is."""


@dataclass(frozen=True, kw_only=True)
class Branches(Record):
    """What each branch of the model answered by itself, and how much it counted."""

    text: Category | None = None
    image: Category | None = None
    text_weight: float = 0
    image_weight: float = 0


@dataclass(frozen=True, kw_only=True)
class ItemError(Record):
    """Why an item has no category; `code` is stable."""

    code: str
    message: str = ""
    pointer: str | None = None
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Result(Record):
    """What became of one item."""

    id: str
    index: int
    """The item's position in the request, from 0."""
    status: str
    """succeeded, failed, invalid, cancelled or expired."""
    category: AnsweredCategory | None = None
    needs_review: bool | None = None
    alternatives: tuple[Category, ...] = ()
    branches: Branches | None = None
    picture: str | None = None
    """looked_at, or not_looked_at where the text alone was sure; `None` for an item without a picture."""
    error: ItemError | None = None
    cached: bool = False
    """Whether it is an earlier answer to the same item by the same bundle."""
    provisional: bool = False
    """Whether the category was fitted to examples that people have decided, because the bundle does not know it yet."""
    bundle: str | None = older("model_version")
    """The bundle that classified it."""
    final: ChosenCategory | None = None
    """What counts: a person's decision, now or before (None if no category fits), else the model's."""
    decided_by: str | None = None
    """model, person, or memory: a person decided about such an item before. None for an item without a category, and
    from a service that knows no decisions."""
    decided_at: datetime | None = None
    """When the person decided."""
    memory: RememberedDecision | None = None
    """What a person has decided before about the same item or a near copy."""
    title: str | None = None
    """The item's title as it was sent; None if the item is no longer kept."""
    metadata: Mapping[str, Any] | None = None
    """The item's own columns as they were sent, in their order."""


@dataclass(frozen=True, kw_only=True)
class ResultsPage(Record):
    """A page of a job's results, in the order in which they were finished."""

    job_id: str
    results: tuple[Result, ...]
    next_cursor: str
    complete: bool = False
    """Whether the job has ended and this was its last page."""
    state: str = ""


@dataclass(frozen=True, kw_only=True)
class Delivery(Record):
    """One attempt to deliver a webhook, or why none was made."""

    number: int
    outcome: str
    """delivered, failed, postponed or disabled."""
    at: datetime | None = None
    trigger: str | None = None
    status: int | None = None
    error: str | None = None
    duration_ms: int = 0
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Deliveries(Record):
    """What became of a job's webhook."""

    job_id: str
    url: str | None = None
    state: str | None = None
    attempts: int = 0
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Word(Record):
    """A word that the model read, and how much it raised the category's lead over the runner-up, in log odds."""

    word: str
    effect: float = 0


@dataclass(frozen=True, kw_only=True)
class Phrase(Record):
    """One word that carried the answer, or several in a row: `count` of `words`, from `first` on."""

    text: str
    first: int = 0
    count: int = 0
    effect: float = 0


@dataclass(frozen=True, kw_only=True)
class Explanation(Record):
    """Why an item got its answer."""

    category: Category
    runner_up: Category | None = None
    phrases: tuple[Phrase, ...] = ()
    """The words that carried the category against the runner-up, the strongest first."""
    words: tuple[Word, ...] = ()
    """All words that the model read, in their order."""
    branches: Branches | None = None
    picture: str | None = None
    """looked_at, or not_looked_at where the text alone was sure; `None` for an item without a picture."""
    picture_changed_answer: bool = False
    """Whether the text alone would have given another category."""
    review_threshold: float | None = None
    """The confidence from which on answers need no review; `None` if none is enough."""
    cascade_threshold: float | None = None
    """The confidence of the text alone from which on the picture is not looked at; `None`: it always is."""
    memory: RememberedDecision | None = None
    """What people have decided by now about the same item or a near copy."""
    nearest: tuple[NearestDecision, ...] = ()
    """Up to three other decided items whose words are most like those of the item, the nearest first."""
    bundle: str = ""
    """The bundle that was asked."""


@dataclass(frozen=True, kw_only=True)
class Prediction(Record):
    """The answer to a single item."""

    predicted_category: str
    category_id: int | str
    """The category's code: a number where the code is one."""
    confidence: float
    needs_review: bool
    result: Result
    explanation: Explanation | None = None
    """Why, where that was asked for."""
    job_id: str = ""


@dataclass(frozen=True, kw_only=True)
class LabelSummary(Record):
    """What became of the labels of one request."""

    id: str
    accepted: int
    corrections: int = 0
    confirmations: int = 0
    conflicts: int = 0
    invalid: int = 0
    errors: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class LabelCounts(Record):
    """All labels that trainings learn from."""

    labels: int
    items: int = 0
    corrections: int = 0
    confirmations: int = 0
    conflicts: int = 0
    codes: Mapping[str, int] = field(default_factory=dict)
    """Labels by code, of the 1,000 codes that have most."""
    other_codes: int = 0
    """How many more codes have labels."""
    newest: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Health(Record):
    """Whether the service can take work; with a key, `document` says more of workers and trainers."""

    status: str
    """pass, warn or fail."""
    bundles: tuple[str, ...] = ()
    """What serves now."""
    warnings: tuple[str, ...] = ()
