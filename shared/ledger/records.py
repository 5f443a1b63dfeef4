"""The records that the ledger takes and returns."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from shared.ledger.states import TERMINAL, AuditKind, ItemStatus, JobState, PictureUse, WebhookState

_BUNDLE = "model:"
"""How the fields begin that count a job's results per bundle."""


@dataclass(frozen=True, slots=True)
class QueuedItem:
    """An accepted item on its way to a worker."""

    index: int
    """Position in the request, from 0."""
    id: str
    title: str | None = None
    description: str | None = None
    blob: str | None = None
    """The picture's sha256, which is its name in the blob store."""
    url: str | None = None
    """URL from which a worker fetches the picture."""

    @property
    def has_content(self) -> bool:
        """Whether there is something to classify; not, once a cancelled job's items have been freed."""
        return bool(self.title or self.description or self.blob or self.url)


Value = str | int | float | bool | None
"""What a caller's own column may hold."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What an item's result gives back as the caller sent it."""

    title: str | None = None
    metadata: Mapping[str, Value] | None = None
    """The caller's own columns, in order."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A category's code with its probability, rounded to four places."""

    code: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an item got its answer: which of its words carried the first guess against the second one."""

    words: tuple[str, ...]
    """Those that the model read."""
    effects: tuple[float, ...]
    """By how much each word raises the lead of the first guess over the second, in log odds."""
    phrases: tuple[tuple[int, int], ...]
    """The words that carried the answer, the strongest first: the first word of each phrase and how many it has."""
    review_threshold: float | None
    """The lowest confidence that is accepted without review; `None` if no confidence is precise enough."""
    cascade_threshold: float | None
    """From this confidence of the text alone on, the picture is not looked at; `None`: it always is."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person decided about an item, as it is in force."""

    place: str
    """Its place among its tenant's decisions: microseconds since 1970, `-`, and its position in the request."""
    code: str | None
    """The category; `None`: no category fits."""
    by: str
    note: str | None = None

    @property
    def at(self) -> float:
        return int(self.place.partition("-")[0]) / 1e6


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one item: guesses, best first, or an error."""

    index: int
    id: str
    status: ItemStatus = ItemStatus.SUCCEEDED
    guesses: tuple[Guess, ...] = ()
    needs_review: bool = False
    """A person should look at the first guess."""
    path: tuple[Guess, ...] = ()
    """The categories above the first guess, from the root, each with the probability of all that lies below it."""
    sure: int = 0
    """How many categories are sure, of the path and the first guess as its last one, from the root."""
    text: Guess | None = None
    """The text branch's own best guess."""
    image: Guess | None = None
    not_looked_at: bool = False
    """There is a picture, but the model did not look at it, because the text alone was sure."""
    weights: tuple[float, float] | None = None
    """Shares of text and image in the fusion."""
    error: str | None = None
    """A stable code, such as `image_unreadable`; `None` for an item that succeeded."""
    message: str | None = None
    pointer: str | None = None
    """JSON pointer to the invalid part of an invalid item."""
    line: int | None = None
    """Line of the request."""
    cached: bool = False
    """It is an earlier answer to the same item by the same bundle."""
    words: int = 0
    """Number of words in the text; this and `unknown` are for counting drift, and are not kept with the result."""
    unknown: float = 0.0
    """The share of the words read that the model does not know as whole words."""
    explanation: Explanation | None = None
    """Only of an item whose job asks for it."""
    remembered: Decided | None = None
    """The decision about the same item before, or about a near copy; of one that no category fits, and of a near copy,
    the guesses are the model's."""
    near_copy: bool = False
    """What is remembered is about a near copy: it is the answer unless this needs a review."""

    audited: AuditKind | None = None
    """Why a person should look at an answer that needs no review; `None`: nobody need."""
    doubtful: bool = False
    """The model would rather have given a retired category; as `words`, it is not kept with the result."""
    look: int = 0
    """What the picture looks like, in 64 bits (`shared.likeness.Looks`), where the model looked at it and it tells
    something; it is not kept with the result either."""
    provisional: bool = False
    """The first guess is a category that the bundle does not know; the bundle's own guesses follow, and share the rest
    of the probability."""

    @property
    def from_memory(self) -> bool:
        """Whether what people decided before is the answer."""
        return self.remembered is not None and not (self.near_copy and self.needs_review)

    @property
    def to_review(self) -> bool:
        """Whether the item is in the queue of those that people look at, who are not told why."""
        return self.needs_review or self.audited is not None

    @property
    def root(self) -> str:
        """The category at the root of the answer's path; only of an outcome that has guesses."""
        return self.path[0].code if self.path else self.guesses[0].code

    @property
    def of_bundle(self) -> Guess | None:
        """The best guess of the bundle itself; `None` if it was not asked, or gave none."""
        from_people = self.remembered is not None and self.remembered.code is not None and not self.near_copy
        if not self.guesses or from_people:
            return None
        if not self.provisional:
            return self.guesses[0]
        named, best = self.guesses[:2]
        return Guess(best.code, min(1.0, round(best.confidence / (1 - named.confidence), 4)))

    @classmethod
    def failed(cls, item: QueuedItem, error: str, message: str) -> "Outcome":
        return cls(item.index, item.id, ItemStatus.FAILED, error=error, message=message)


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's right to process a chunk, until it is committed or the lease runs out."""

    job_id: str
    chunk: int
    items: list[QueuedItem]
    attempt: int
    """Number of leases of the chunk, including this one."""
    losses: int = 0
    """Number of earlier leases whose holder vanished or could not process the chunk."""
    tenant: str = ""
    """The job's tenant."""
    traceparent: str | None = None
    """The job's place in a trace."""
    pictures: PictureUse = PictureUse.WHEN_NEEDED
    explain: bool = False
    """Whether the outcomes are explained. Then somebody looks into answers, and they do not count for drift."""

    @property
    def member(self) -> str:
        """The name of this lease, different from other leases of the same chunk."""
        return f"{self.job_id} {self.chunk} {self.attempt}"


@dataclass(frozen=True, slots=True)
class Page:
    """Outcomes in the order of their commit, the bundle that gave each, and where the next page begins."""

    outcomes: list[tuple[str, Outcome]]
    """Bundle ("" for none) and outcome."""
    chunks: list[int]
    """The chunk of each outcome."""
    cursor: str
    """Cursor of the next page; while the job runs, more outcomes may follow."""
    complete: bool
    """Whether the job has ended and nothing follows the cursor."""


@dataclass(frozen=True, slots=True)
class KnownItem:
    """An item with its outcome, classified or not."""

    outcome: Outcome
    bundle: str
    """The one that gave the outcome."""
    item: QueuedItem | None
    """The item as sent; `None` if it is no longer kept."""
    sent: "Sent | None" = None
    """What results give back besides, in lists of items; `None` for most items."""
    decided: Decided | None = None


@dataclass(frozen=True, slots=True)
class NewJob:
    """What `Ledger.open` needs besides the staged items."""

    tenant: str
    lane: str
    total: int
    chunks: int
    deadline_s: float
    """Seconds until it expires."""
    max_queued: int
    """It is refused if more items than this would wait in its lane."""
    keep_s: int
    """Seconds for which its results stay readable after its end."""
    keep_record_s: int
    """Seconds for which its record stays after that."""
    max_waiting: int | None = None
    """It is refused if more items of its tenant than this would wait in its lane; `None`: the tenant has no quota."""
    invalid: int = 0
    """Number of skipped items."""
    error_budget: float | None = None
    """The job fails once more than this percentage of its valid items has failed."""
    webhook_url: str | None = None
    parent: str | None = None
    """Id of the job whose items this one retries."""
    tracked: bool = True
    """Whether the job gets a message in the outbox `tracking` when it ends."""
    listed: bool = True
    """Whether the job is in the list of its tenant's jobs. A training is in that of trainings instead."""
    keep_inputs: bool = True
    """Whether classified items are kept with their results, for corrections."""
    columns: tuple[str, ...] = ()
    """The names of the own columns of all items, in the order of their first appearance."""
    traceparent: str | None = None
    """Its place in a trace (W3C Trace Context), which the ledger stores without interpreting it."""
    pictures: PictureUse = PictureUse.WHEN_NEEDED
    explain: bool = False
    """Whether each outcome is explained."""
    name: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the client keeps with the job, to find it again."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job's facts at one moment. Times are seconds since the epoch by Redis's clock."""

    id: str
    tenant: str
    state: JobState
    reason: str | None
    """Why it ended early: `deadline` or `error_budget`."""
    lane: str
    total: int
    succeeded: int
    failed: int
    invalid: int
    cancelled: int
    expired: int
    needs_review: int
    """Number of the succeeded items that need a review."""
    bundles: Mapping[str, int]
    """How many of the succeeded each bundle answered; more than one: the champion was changed meanwhile."""
    chunks: int
    times: Mapping[JobState, float]
    """When each state was entered."""
    read_at: float
    deadline: float
    error_budget: float | None
    results_expire_at: float | None
    parent: str | None
    webhook_url: str | None
    webhook_state: WebhookState | None
    """`None` for a job without a webhook."""
    webhook_attempts: int
    traceparent: str | None = None
    pictures: PictureUse = PictureUse.WHEN_NEEDED
    name: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    reviewed: int = 0
    """Number of the items that needed a review and are decided."""
    decisions: int = 0
    """How often a decision about one of its items has come into force or was taken back."""

    @property
    def open(self) -> int:
        """Number of the items that need a review and are not decided."""
        return self.needs_review - self.reviewed

    @property
    def done(self) -> int:
        """Number of items with an outcome."""
        return self.succeeded + self.failed + self.invalid + self.cancelled + self.expired

    @property
    def pending(self) -> int:
        return self.total - self.done

    @property
    def counts(self) -> dict[str, int]:
        """The counts for clients, webhooks and MLflow; all but `needs_review` add up to the total."""
        return {
            "total": self.total,
            "pending": self.pending,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "invalid": self.invalid,
            "cancelled": self.cancelled,
            "expired": self.expired,
            "needs_review": self.needs_review,
        }

    @property
    def ended(self) -> bool:
        return self.state in TERMINAL

    @property
    def created_at(self) -> float:
        return self.times[JobState.QUEUED]

    @property
    def started_at(self) -> float | None:
        return self.times.get(JobState.RUNNING)

    @property
    def finished_at(self) -> float | None:
        return self.times[self.state] if self.ended else None

    @property
    def results_gone(self) -> bool:
        return self.results_expire_at is not None and self.read_at >= self.results_expire_at

    def as_accepted(self) -> "Job":
        """Return the job as it was when it was opened, which is what its request was answered with."""
        return replace(
            self,
            state=JobState.QUEUED,
            reason=None,
            succeeded=0,
            failed=0,
            cancelled=0,
            expired=0,
            needs_review=0,
            bundles={},
            times={JobState.QUEUED: self.created_at},
            read_at=self.created_at,
            results_expire_at=None,
            webhook_state=WebhookState.WAITING if self.webhook_url else None,
            webhook_attempts=0,
            reviewed=0,
            decisions=0,
        )

    @classmethod
    def read(cls, job_id: str, fields: Mapping[bytes, bytes], read_at: float) -> "Job":
        text = {name.decode(): value.decode() for name, value in fields.items()}
        counts = ("total", "succeeded", "failed", "invalid", "cancelled", "expired", "needs_review", "chunks")
        return cls(
            id=job_id,
            tenant=text["tenant"],
            state=JobState(text["state"]),
            reason=text.get("reason"),
            lane=text["lane"],
            **{name: int(text[name]) for name in counts},
            bundles={
                name.removeprefix(_BUNDLE): int(count)
                for name, count in sorted(text.items())
                if name.startswith(_BUNDLE)
            },
            times={state: float(text[f"{state}_at"]) for state in JobState if f"{state}_at" in text},
            read_at=read_at,
            deadline=float(text["deadline"]),
            error_budget=_number(text.get("error_budget")),
            results_expire_at=_number(text.get("results_expire_at")),
            parent=text.get("parent"),
            webhook_url=text.get("webhook_url"),
            webhook_state=WebhookState(text.get("webhook_state", "waiting")) if "webhook_url" in text else None,
            webhook_attempts=int(text.get("webhook_attempts", 0)),
            traceparent=text.get("traceparent"),
            pictures=PictureUse(text.get("pictures", PictureUse.WHEN_NEEDED)),
            name=text.get("name"),
            metadata=json.loads(text.get("metadata", "{}")),
            reviewed=int(text.get("reviewed", 0)),
            decisions=int(text.get("decisions", 0)),
        )


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """The state of a job's lane, and the job's position in it."""

    position: int | None
    """Number of turns before the job's, at most; `None` if no chunk of the job waits for a worker."""
    pending: int
    """Items of the lane without an outcome."""
    rate: float
    """Outcomes per second over the last minute."""


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def known(record: type, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that the record has fields for; a process of a later release may have stored others beside."""
    names = {field.name for field in fields(record)}
    return {name: fact for name, fact in facts.items() if name in names}
