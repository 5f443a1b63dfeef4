"""What goes into the ledger and comes out of it."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shared.ledger.states import TERMINAL, JobState


@dataclass(frozen=True, slots=True)
class QueuedItem:
    """An accepted item on its way to a worker."""

    index: int
    """Position in the request, from 0."""
    id: str
    title: str | None = None
    description: str | None = None
    blob: str | None = None
    """The picture's sha256, its name in the blob store."""
    url: str | None = None
    """Where a worker fetches the picture."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A product type's code, and the probability given to it, rounded to four places."""

    code: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item: guesses, best first, or an error."""

    index: int
    id: str
    guesses: tuple[Guess, ...] = ()
    needs_review: bool = False
    """A person should look at the first guess."""
    text: Guess | None = None
    """What the text branch said by itself."""
    image: Guess | None = None
    weights: tuple[float, float] | None = None
    """Shares of text and image in the fusion."""
    error: str | None = None
    """A stable code, such as `image_unreadable`."""
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """A chunk in a worker's hands, until it is committed or the lease runs out."""

    job: str
    chunk: int
    items: list[QueuedItem]
    attempt: int
    """1 the first time; more when a holder vanished."""

    @property
    def member(self) -> str:
        return f"{self.job} {self.chunk}"


@dataclass(frozen=True, slots=True)
class Page:
    """Outcomes in the order of their commit, the model that gave each, and where the next page begins."""

    outcomes: list[tuple[str, Outcome]]
    """Model version and outcome."""
    cursor: str
    """Pass it on for the rest; while the job runs, more may come behind it."""
    complete: bool
    """The job has ended and nothing lies behind the cursor."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job's facts at one moment. Times are seconds since the epoch."""

    id: str
    state: JobState
    lane: str
    total: int
    succeeded: int
    failed: int
    cancelled: int
    needs_review: int
    """How many of the succeeded."""
    created_at: float
    started_at: float | None
    finished_at: float | None
    webhook_url: str | None
    webhook_state: str | None
    webhook_attempts: int

    @property
    def pending(self) -> int:
        return self.total - self.succeeded - self.failed - self.cancelled

    @property
    def ended(self) -> bool:
        return self.state in TERMINAL

    @classmethod
    def read(cls, job_id: str, fields: Mapping[bytes, bytes]) -> "Job":
        text = {name.decode(): value.decode() for name, value in fields.items()}
        return cls(
            id=job_id,
            state=JobState(text["state"]),
            lane=text["lane"],
            total=int(text["total"]),
            succeeded=int(text["succeeded"]),
            failed=int(text["failed"]),
            cancelled=int(text["cancelled"]),
            needs_review=int(text["needs_review"]),
            created_at=float(text["created_at"]),
            started_at=float(text["started_at"]) if "started_at" in text else None,
            finished_at=float(text["finished_at"]) if "finished_at" in text else None,
            webhook_url=text.get("webhook_url"),
            webhook_state=text.get("webhook_state"),
            webhook_attempts=int(text.get("webhook_attempts", 0)),
        )


def pack_items(items: Sequence[QueuedItem]) -> bytes:
    return _pack([_without_nothing(asdict(item)) for item in items])


def unpack_items(packed: bytes) -> list[QueuedItem]:
    return [QueuedItem(**fields) for fields in _unpack(packed)]


def pack_outcomes(model: str, outcomes: Sequence[Outcome]) -> bytes:
    return _pack({"model": model, "outcomes": [_without_nothing(asdict(outcome)) for outcome in outcomes]})


def unpack_outcomes(packed: bytes) -> tuple[str, list[Outcome]]:
    """The model's version, and the outcomes it gave."""
    content = _unpack(packed)
    return content["model"], [_outcome(fields) for fields in content["outcomes"]]


def _outcome(fields: dict[str, Any]) -> Outcome:
    guesses = tuple(Guess(**guess) for guess in fields.pop("guesses", ()))
    text, image = (Guess(**fields.pop(branch)) if branch in fields else None for branch in ("text", "image"))
    weights = tuple(fields.pop("weights")) if "weights" in fields else None
    return Outcome(**fields, guesses=guesses, text=text, image=image, weights=weights)


def _without_nothing(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None and value is not False and value != ()}


def _pack(content: Any) -> bytes:
    return zlib.compress(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(), level=3)


def _unpack(packed: bytes) -> Any:
    return json.loads(zlib.decompress(packed))
