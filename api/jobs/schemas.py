"""Jobs, results and predictions as clients send and receive them."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl, SkipValidation

from api.items.schemas import ItemIn
from api.lifecycle.counts import JobCountsOut
from api.lifecycle.decided import ChosenOut, DecidedOut
from api.lifecycle.webhooks import WebhookOut
from shared.ledger import ItemStatus, JobState, Value
from shared.words import DESCRIPTION_LIMIT

NAME_LIMIT, KEY_LIMIT, VALUE_LIMIT, PAIRS_LIMIT = 200, 64, 512, 16
"""Characters of a job's name, and of a key and a value of its metadata, and how many pairs that has."""
_CONTROLS = r"\x00-\x1f\x7f-\x9f"
_READABLE = rf"^[^{_CONTROLS}]*[^{_CONTROLS}\s][^{_CONTROLS}]*$"
_UNREADABLE = re.compile(rf"[{_CONTROLS}\ud800-\udfff]")


def _readable(text: str, what: str = "the name") -> str:
    """Refuse what neither people nor terminals can show."""
    if not text.strip() or _UNREADABLE.search(text):
        raise ValueError(f"{what} must not be blank, nor have control characters")
    return text


def _object(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError('must be an object in JSON, such as {"season": "spring"}, without a member that occurs twice')
    return value


def _readable_keys(metadata: dict[str, str]) -> dict[str, str]:
    for key in metadata:
        if len(key) > KEY_LIMIT:
            raise ValueError(f"the key {key[:KEY_LIMIT]!r}… has over {KEY_LIMIT} characters")
        _readable(key, f"the key {key!r}")
    return metadata


_Name = Annotated[
    str, Field(max_length=NAME_LIMIT, json_schema_extra={"pattern": _READABLE}), AfterValidator(_readable)
]
_Metadata = Annotated[
    dict[str, Annotated[str, Field(max_length=VALUE_LIMIT)]],
    Field(
        max_length=PAIRS_LIMIT,
        json_schema_extra={"propertyNames": {"type": "string", "maxLength": KEY_LIMIT, "pattern": _READABLE}},
    ),
    BeforeValidator(_object),
    AfterValidator(_readable_keys),
]


class JobOptions(BaseModel):
    """A job's options beside its items: as query parameters, JSON members or form fields."""

    model_config = ConfigDict(extra="forbid")

    webhook_url: HttpUrl | None = Field(None, description="A URL that gets a signed request when the job has ended.")
    on_invalid: Literal["reject", "skip"] = Field(
        "reject",
        description="`reject`: if one item is invalid, none is accepted. `skip`: invalid items are left out.",
    )
    deadline_s: float | None = Field(
        None,
        gt=0,
        description="Seconds from acceptance, by Redis's clock, after which items that are not classified expire.",
    )
    error_budget: float | None = Field(
        None, ge=0, le=100, description="The job fails once more than this percentage of its items has failed."
    )
    pictures: Literal["when_needed", "always"] = Field(
        "when_needed",
        description="`when_needed`: where the text alone is sure, the picture is not looked at, and not fetched if it "
        "is a URL. `always`: every picture is looked at.",
    )
    name: _Name | None = Field(
        None, description="Your name for the job, by which it can be found again; several jobs may have the same."
    )
    metadata: _Metadata | None = Field(
        None,
        description="Texts of yours by key, such as `season`, which are kept with the job, and by which it can be "
        "found again.",
    )


class JobIn(JobOptions):
    items: list[ItemIn] = Field(min_length=1)


class QueueOut(BaseModel):
    """A job's place among the jobs of its lane."""

    lane: str
    position: int | None = Field(
        description="At most how many turns come before this job's: tenants take turns, and so do the jobs of each "
        "tenant. Null if none of the job's items waits."
    )
    waiting_items: int = Field(description="Items without an outcome, of all jobs of the lane.")


class JobOut(BaseModel):
    id: str
    state: JobState
    reason: Literal["deadline", "error_budget"] | None = Field(
        description="Why the job ended before all its items were done; null if it did not."
    )
    counts: JobCountsOut
    open: int = Field(
        description="How many of the items that need a review (`counts.needs_review`) nobody has decided yet."
    )
    bundles: dict[str, int] = Field(
        description="How many of the succeeded items each bundle answered. With more than one, the model was changed "
        "while the job ran."
    )
    model_versions: dict[str, int] = Field(deprecated=True, description="The same as `bundles`; use that instead.")
    progress: float = Field(description="The share of items with an outcome, from 0 to 1.")
    rate: float | None = Field(description="Items per second since the job began; null before the first item is done.")
    queue: QueueOut | None = Field(
        description="Set until the job ends, but null in lists and in the answer that accepts the job."
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    times: dict[JobState, datetime] = Field(description="When the job entered each state.")
    deadline_at: datetime
    estimated_finish_at: datetime | None = Field(
        description="Estimated from the job's rate or, while the job waits, from the rate of its lane; "
        "null where `queue` is."
    )
    error_budget: float | None
    pictures: Literal["when_needed", "always"] = Field(description="Which pictures are looked at.")
    parent: str | None = Field(description="The job whose items this one retries.")
    name: str | None = Field(description="The name that the job was given; a retry has that of its parent.")
    metadata: dict[str, str] = Field(description="The texts that the job was given; a retry has those of its parent.")
    webhook: WebhookOut | None
    results_expire_at: datetime | None = Field(
        description="When the results are deleted; from then on, the answer to requests for them is 410."
    )
    trace_id: str | None = Field(description="The trace from the request to the webhook; null if tracing is off.")
    url: str
    results_url: str
    events_url: str


class JobsOut(BaseModel):
    jobs: list[JobOut] = Field(description="Your jobs, the newest first. In a list, `queue` is null.")
    next_cursor: str | None = Field(description="The cursor of the next page; null if no more jobs follow.")


class CategoryOut(BaseModel):
    code: str = Field(description="The category's code in the taxonomy (`GET /v1/taxonomy`).")
    name: str
    confidence: float = Field(description="The calibrated probability, from 0 to 1.")


class AnswerOut(CategoryOut):
    """The category of an item, and where in the tree it lies."""

    path: list[CategoryOut] = Field(
        description="The categories from the root to the answer, which is the last one. The confidence of each is the "
        "sum of all that lies below it. Results of before the service knew a tree have the answer alone."
    )
    sure: CategoryOut | None = Field(
        description="The deepest category of the path that is sure: it reaches the threshold of its level, from which "
        "on as many answers are right as the training asked for. So an item that needs a review may still go to the "
        "right department. Null if not even the first category is sure."
    )


class BranchesOut(BaseModel):
    """The answer of each branch by itself, and its weight."""

    text: CategoryOut | None
    image: CategoryOut | None
    text_weight: float
    image_weight: float


_NEEDS_REVIEW = (
    "Whether a person should look at the category, because its confidence is below the model's review threshold, or "
    "because the model would rather have given a category that is retired since. From that threshold on, answers reach "
    "the precision that the training asked for."
)


class ItemErrorOut(BaseModel):
    code: str = Field(description="A stable code for programs: image_unreadable, image_unreachable, invalid_item, …")
    message: str
    pointer: str | None = Field(None, description="A JSON pointer to the fault in the request or the item.")
    line: int | None = Field(None, description="The line of the request's table, from 1.")


Decider = Literal["model", "memory", "person", "audit"]


class MemoryOut(DecidedOut):
    """A decision before this item came."""

    match: Literal["same", "near"] = Field(
        description="`same`: it was about an item with the same words and picture, and is the answer. `near`: it was "
        "about one whose words differ in numbers, sizes and colours alone; where the model agrees, it is the answer, "
        "and where it does not, this item needs a review."
    )


class NearestOut(DecidedOut):
    """A decided item whose words are like those of another item, and what was decided about it."""

    title: str | None = Field(description="The item's title, shortened to 200 characters; null if it has none.")
    similarity: float = Field(
        ge=0,
        le=1,
        description="The cosine of the words of both items: 1 for the same words, 0 for none in common. A word weighs "
        "the more, the fewer of the decided items have it.",
    )


class ResultOut(BaseModel):
    id: str
    index: int = Field(description="The item's position in the request, from 0.")
    status: ItemStatus
    category: AnswerOut | None = None
    needs_review: bool | None = Field(None, description=_NEEDS_REVIEW)
    alternatives: list[CategoryOut] = []
    branches: BranchesOut | None = None
    picture: Literal["looked_at", "not_looked_at"] | None = Field(
        None,
        description="Whether the model looked at the item's picture; `not_looked_at`: the text alone was sure. Null if "
        "the item has no picture, or has no category.",
    )
    error: ItemErrorOut | None = None
    cached: bool = Field(False, description="Whether this is an earlier answer to the same item by the same bundle.")
    provisional: bool = Field(
        False,
        description="Whether the category is one that the bundle does not know yet: it was fitted to examples that "
        "people have decided. It always needs a review, and the bundle's own answers are the alternatives.",
    )
    bundle: str | None = Field(description="The hash of the bundle that answered; null if none did.")
    model_version: str | None = Field(deprecated=True, description="The same as `bundle`; use that instead.")
    final: ChosenOut | None = Field(
        None,
        description="What counts: the category that a person decided, null if no category fits. Without a decision it "
        "is what a person decided about such an item before, or else the model's.",
    )
    decided_by: Decider | None = Field(
        None,
        description="Whose category `final` is: a person's, who decided about this item (`audit` if it needed no "
        "review); the memory's, which has what a person decided about the same item or a near copy before; or the "
        "model's. Null if the item has no category. More values will follow.",
    )
    decided_at: datetime | None = Field(None, description="When the person decided; null where the model did.")
    memory: MemoryOut | None = Field(
        None, description="What a person has decided before about the same item or a near copy; null where nobody has."
    )
    title: str | None = Field(
        None, description="The item's title as you sent it; null without one, or if the item is no longer kept."
    )
    metadata: Annotated[dict[str, Value], SkipValidation] | None = Field(
        None, description="Your own columns as you sent them, in their order; null without."
    )


class ResultsOut(BaseModel):
    job_id: str
    state: JobState
    results: list[ResultOut] = Field(description="The results, in the order in which the items were finished.")
    next_cursor: str
    complete: bool = Field(description="Whether the job has ended and this is the last page.")


class ItemOut(BaseModel):
    """An item as it was sent, beside its result."""

    title: str | None
    description: str | None
    image_url: str | None = Field(description="The URL that was sent of the picture; it may name several.")
    picture_url: str | None = Field(
        description="Where this service has the picture; null if the item has none, or only a URL."
    )
    kept: bool = Field(
        description="Whether what was sent is kept (`CATALOG_KEEP_INPUTS`). If not, the fields above are null."
    )
    decision: DecidedOut | None = Field(description="What a person decided about the item; null without a decision.")
    result: ResultOut


class ItemsOut(BaseModel):
    job_id: str
    state: JobState
    items: list[ItemOut]
    next_cursor: str | None = Field(
        description="The cursor of the next page; null if nothing will follow. While the job runs, a page may be empty "
        "although more will follow."
    )


class WordOut(BaseModel):
    """A word that the model read: in lower case, without accents."""

    word: str
    effect: float = Field(
        description="By how much the word raises the lead of the category over the runner-up, in log odds; negative "
        "if it speaks for the runner-up."
    )


class PhraseOut(BaseModel):
    """One word that carried the answer, or several in a row."""

    text: str
    first: int = Field(description="The place in `words` of its first word, from 0.")
    count: int = Field(description="How many words it has.")
    effect: float = Field(description="The sum of its words' effects.")


class ExplanationOut(BaseModel):
    """Why an item got its answer."""

    category: CategoryOut
    runner_up: CategoryOut | None = Field(description="The second best category; null if the model knows one only.")
    phrases: list[PhraseOut] = Field(
        description="The words that carried the category against the runner-up: a quarter of the words at most, the "
        "strongest first. Without them, the answer is the likeliest to be another one."
    )
    words: list[WordOut] = Field(description="All words that the model read, in their order.")
    branches: BranchesOut
    picture: Literal["looked_at", "not_looked_at"] | None = Field(
        description="Whether the model looked at the picture; null without one."
    )
    picture_changed_answer: bool = Field(
        description="Whether the text alone would have given another category than text and picture together."
    )
    review_threshold: float | None = Field(
        description="The confidence from which on the model's answers need no review; null if none is enough."
    )
    cascade_threshold: float | None = Field(
        description="The confidence of the text alone from which on the picture is not looked at; null: it always is."
    )
    memory: MemoryOut | None = Field(
        None, description="What people have decided by now about the same item or a near copy; null where nobody has."
    )
    nearest: list[NearestOut] = Field(
        [],
        max_length=3,
        description="The other items about which your people have decided whose words are most like those of the item, "
        "the nearest first; only those with a similarity of at least 0.25.",
    )
    bundle: str = Field(description="The bundle that was asked.")


class PredictIn(BaseModel):
    """One item in the form of the original project: a description, and the picture in base64."""

    model_config = ConfigDict(extra="forbid")

    description: str | None = Field(None, max_length=DESCRIPTION_LIMIT)
    image: str | None = Field(None, description="The picture's bytes in base64.")


class ModelWeightsOut(BaseModel):
    text: float
    image: float


class PredictOut(BaseModel):
    predicted_category: str
    category_id: int | str = Field(description="The category's code: a number where the code is one.")
    confidence: float
    needs_review: bool = Field(description=_NEEDS_REVIEW)
    model_weights: ModelWeightsOut = Field(description="The weights of the LSTM and VGG16 for this item.")
    result: ResultOut
    explanation: ExplanationOut | None = Field(None, description="With `explain=true`.")
    job_id: str
