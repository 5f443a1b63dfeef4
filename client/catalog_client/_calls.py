"""Every request that the service takes: one description each, which both clients send."""

import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote

from catalog_client._decision_records import BulkDecision, Decision, DecisionsPage, DecisionSummary, UndoneDecisions
from catalog_client._errors import ProblemError, QuotaExceededError, UnexpectedAnswerError
from catalog_client._item_records import Card, ItemsPage, NextCards, Released
from catalog_client._model_records import Drift, Models, Training, TrainingList, TrainingSources
from catalog_client._parsing import R, parse
from catalog_client._records import (
    Deliveries,
    Explanation,
    Health,
    Job,
    JobsPage,
    LabelCounts,
    LabelSummary,
    Prediction,
    Result,
    ResultsPage,
)
from catalog_client._taxonomy_records import Taxonomy, TaxonomyChanges, TaxonomyHistoryPage

T = TypeVar("T")
P = TypeVar("P", ItemsPage, JobsPage, TaxonomyHistoryPage)
"""A page whose `next_cursor` leads to the next one."""

NDJSON = "application/x-ndjson"
_EXCERPT = 200
"""Characters of an unexpected answer that its error shows."""
_JOBS_A_PAGE = 200
_ITEMS_A_PAGE = 200
_DECISIONS_A_PAGE = 1000
_TAXONOMIES_A_PAGE = 50
"""The most that the service lists at once."""


@dataclass(frozen=True)
class Answer:
    """An answer that was read completely."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    source: str
    """The service's URL, as it may be shown."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and how its answer is read."""

    method: str
    path: str
    read: Callable[[Answer], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content: bytes | None = None
    """The body, where it is not JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    """Whether it has one effect however often it is sent, so that it may be sent again when its answer is lost."""


def check(answer: Answer) -> None:
    """Raise the error that the answer stands for, if any.

    Raises:
        ProblemError: the service refused.
        UnexpectedAnswerError: something else answered.
    """
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        if is_page(answer.headers):
            raise UnexpectedAnswerError(
                f"{answer.source} answered with a web page, so it is not the service: {_excerpt(answer.content)}"
            )
        return
    if answer.status < HTTPStatus.BAD_REQUEST:
        target = answer.headers.get("location", "elsewhere")
        raise UnexpectedAnswerError(f"{answer.source} answered {answer.status}: it redirects to {target}. Use that URL")
    try:
        document = json.loads(answer.content)
    except ValueError:
        document = None
    if not isinstance(document, dict) or "detail" not in document:
        raise UnexpectedAnswerError(f"{answer.source} answered {answer.status} {_excerpt(answer.content)}")
    problem = ProblemError(answer.status, document)
    raise QuotaExceededError(answer.status, document) if problem.kind == "quota-exceeded" else problem


def is_page(headers: Mapping[str, str]) -> bool:
    """Tell whether the answer is a web page, which the service never sends: a proxy or a login page has answered."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "text/html"


def submit(
    webhook_url: str | None,
    on_invalid: str | None,
    deadline_s: float | None,
    error_budget: float | None,
    all_pictures: bool,
    name: str | None,
    metadata: Mapping[str, str] | None,
    idempotency_key: str | None,
) -> Call[Job]:
    query = {
        "pictures": "always" if all_pictures else None,
        "webhook_url": webhook_url,
        "on_invalid": on_invalid,
        "deadline_s": deadline_s,
        "error_budget": error_budget,
        "name": name,
        "metadata": json.dumps(dict(metadata), ensure_ascii=False) if metadata else None,
    }
    return _stream("/v1/jobs", _record(Job), query, idempotency_key)


def job(job_id: str | Job, wait_s: float) -> Call[Job]:
    return _get(f"/v1/jobs/{_id(job_id)}", _record(Job), {"wait": wait_s})


class JobFilters(TypedDict, total=False):
    """Which jobs are listed: those that are everything that is given."""

    state: str | Sequence[str] | None
    """In this state, or in one of these."""
    q: str | None
    """All these words occur in the name, in a value of the metadata, or in the id."""
    metadata: Mapping[str, str] | None
    """The metadata has all these pairs."""
    created_after: datetime | None
    """Accepted then or later. A time without a zone is this machine's."""
    created_before: datetime | None


def jobs(limit: int | None, cursor: str | None, filters: JobFilters) -> Call[JobsPage]:
    """A page of jobs; without a limit, of as many as the service lists at once."""
    pairs = [f"{key}:{value}" for key, value in (filters.get("metadata") or {}).items()]
    query = {
        "limit": _JOBS_A_PAGE if limit is None else min(limit, _JOBS_A_PAGE),
        "cursor": cursor,
        "state": filters.get("state"),
        "q": filters.get("q"),
        "metadata": pairs or None,
        "created_after": _zoned(filters.get("created_after")),
        "created_before": _zoned(filters.get("created_before")),
    }
    return _get("/v1/jobs", _record(JobsPage), query)


def cancel(job_id: str | Job) -> Call[Job]:
    return _post(f"/v1/jobs/{_id(job_id)}/cancel", _record(Job))


def retry(job_id: str | Job, status: tuple[str, ...], idempotency_key: str | None) -> Call[Job]:
    query = {"status": list(status)} if status else {}
    return _post(f"/v1/jobs/{_id(job_id)}/retry", _record(Job), query=query, headers=_keyed(idempotency_key))


def results_page(job_id: str | Job, cursor: str | None, limit: int, status: str | None) -> Call[ResultsPage]:
    query = {"cursor": cursor, "limit": limit, "status": status}
    return _get(f"/v1/jobs/{_id(job_id)}/results", _record(ResultsPage), query)


def results(job_id: str | Job, status: str | None) -> Call[None]:
    """The stream of all results: its lines are read by `result`."""
    return export(job_id, "ndjson", status)


def export(job_id: str | Job, form: str, status: str | None) -> Call[None]:
    """All results as a file in this format."""
    return _get(f"/v1/jobs/{_id(job_id)}/results", check, {"format": form, "status": status})


def result(line: bytes) -> Result:
    """One line of the stream of results."""
    try:
        return parse(Result, json.loads(line))
    except ValueError as error:
        raise UnexpectedAnswerError(f"a line of the results is not JSON: {_excerpt(line)}") from error


def deliveries(job_id: str | Job) -> Call[Deliveries]:
    return _get(f"/v1/jobs/{_id(job_id)}/deliveries", _record(Deliveries))


def redeliver(job_id: str | Job) -> Call[Deliveries]:
    return _post(f"/v1/jobs/{_id(job_id)}/deliveries", _record(Deliveries), repeatable=False)


class ItemFilters(TypedDict, total=False):
    """Which items of a job are listed: those that are everything that is given."""

    status: str | Sequence[str] | None
    """They ended so, or in one of these ways."""
    needs_review: bool | None
    category: str | None
    """The code of the category that they were answered with, or of one above it."""
    min_confidence: float | None
    max_confidence: float | None
    branches_disagree: bool | None
    """Text and picture alone are answered differently."""
    bundle: str | None
    """The bundle that answered."""
    decided: bool | None
    """A person has decided about them."""
    decided_by: str | None
    """The person whose decision is in force."""
    q: str | None
    """All these words, or words that begin with them, occur in title or description."""


class BulkFilters(TypedDict, total=False):
    """Which items of a job are decided about at once: those that are everything that is given."""

    needs_review: bool | None
    category: str | None
    """The code of the category that they were answered with, or of one above it."""
    min_confidence: float | None
    max_confidence: float | None
    branches_disagree: bool | None
    bundle: str | None
    q: str | None
    """All these words, or words that begin with them, occur in title or description."""


def items(job_id: str | Job, order: str, cursor: str | None, filters: ItemFilters) -> Call[ItemsPage]:
    query = {"order": order, "cursor": cursor, "limit": _ITEMS_A_PAGE, **filters}
    return _get(f"/v1/jobs/{_id(job_id)}/items", _record(ItemsPage), query)


def picture(job_id: str | Job, index: int) -> Call[bytes]:
    return _get(f"/v1/jobs/{_id(job_id)}/items/{index}/picture", _content)


def explanation(job_id: str | Job, index: int) -> Call[Explanation]:
    return _get(f"/v1/jobs/{_id(job_id)}/items/{index}/explanation", _record(Explanation))


def predict(description: str | None, image: str | None, *, explain: bool) -> Call[Prediction]:
    query = {"explain": explain or None}
    return _post("/predict", _record(Prediction), {"description": description, "image": image}, query=query)


def send_labels(on_invalid: str | None, idempotency_key: str | None) -> Call[LabelSummary]:
    return _stream("/v1/labels", _record(LabelSummary), {"on_invalid": on_invalid}, idempotency_key)


def label_counts() -> Call[LabelCounts]:
    return _get("/v1/labels", _record(LabelCounts))


def decide(decisions: Iterable[Decision | Mapping[str, Any]], idempotency_key: str | None) -> Call[DecisionSummary]:
    listed = [each.body() if isinstance(each, Decision) else _without_none(each) for each in decisions]
    return _post("/v1/decisions", _record(DecisionSummary), {"decisions": listed}, headers=_keyed(idempotency_key))


def decide_all(job_id: str | Job, said: Mapping[str, Any], filters: BulkFilters) -> Call[BulkDecision]:
    body = {
        "job_id": job_id.id if isinstance(job_id, Job) else job_id,
        "filter": _without_none(filters),
        **_without_none(said),
    }
    return _post("/v1/decisions/bulk", _record(BulkDecision), body)


def bulk_decision(bulk: str | BulkDecision) -> Call[BulkDecision]:
    return _get(f"/v1/decisions/bulk/{_id(bulk)}", _record(BulkDecision))


def undo_all(bulk: str | BulkDecision) -> Call[BulkDecision]:
    return _post(f"/v1/decisions/bulk/{_id(bulk)}/undo", _record(BulkDecision))


def undo(count: int, by: str | None, idempotency_key: str | None) -> Call[UndoneDecisions]:
    body = _without_none({"count": count, "by": by})
    return _post("/v1/decisions/undo", _record(UndoneDecisions), body, headers=_keyed(idempotency_key))


def decisions_page(since: str | None) -> Call[DecisionsPage]:
    return _get("/v1/decisions", _record(DecisionsPage), {"since": since, "limit": _DECISIONS_A_PAGE})


def next_cards(
    limit: int,
    job_id: str | Job | None,
    category: str | None,
    minutes: int,
    by: str | None,
    idempotency_key: str | None,
) -> Call[NextCards]:
    job = job_id.id if isinstance(job_id, Job) else job_id
    body = _without_none({"limit": limit, "job_id": job, "category": category, "minutes": minutes, "by": by})
    return _post("/v1/review/next", _record(NextCards), body, headers=_keyed(idempotency_key))


def release(cards: Sequence[Card | tuple[str, int]] | None, by: str | None) -> Call[Released]:
    named = [(card.job_id, card.index) if isinstance(card, Card) else card for card in cards or ()]
    items = None if cards is None else [{"job_id": job, "index": index} for job, index in named]
    return _post("/v1/review/release", _record(Released), _without_none({"items": items, "by": by}))


def train(request: Mapping[str, Any], idempotency_key: str | None) -> Call[Training]:
    body = {name: value for name, value in request.items() if value is not None}
    return _post("/v1/trainings", _record(Training), body, headers=_keyed(idempotency_key))


def training_sources() -> Call[tuple[str, ...]]:
    read = _record(TrainingSources)
    return _get("/v1/trainings/sources", lambda answer: tuple(source.name for source in read(answer).sources))


def training(training_id: str | Training, wait_s: float) -> Call[Training]:
    return _get(f"/v1/trainings/{_id(training_id)}", _record(Training), {"wait": wait_s})


def trainings(limit: int) -> Call[tuple[Training, ...]]:
    read = _record(TrainingList)
    return _get("/v1/trainings", lambda answer: read(answer).trainings, {"limit": limit})


def cancel_training(training_id: str | Training) -> Call[Training]:
    return _post(f"/v1/trainings/{_id(training_id)}/cancel", _record(Training))


def training_log(training_id: str | Training, lines: int) -> Call[str]:
    return _get(f"/v1/trainings/{_id(training_id)}/log", _text, {"lines": lines})


def models() -> Call[Models]:
    return _get("/v1/models", _record(Models))


def promote(version: str | int, reason: str, force: bool) -> Call[Models]:
    body = {"reason": reason, "force": force}
    return _post(f"/v1/models/{quote(str(version), safe='')}/promote", _record(Models), body)


def rollback(reason: str) -> Call[Models]:
    # A second one undoes the first.
    return _post("/v1/models/rollback", _record(Models), {"reason": reason}, repeatable=False)


def taxonomy() -> Call[Taxonomy]:
    return _get("/v1/taxonomy", _record(Taxonomy))


def taxonomy_table() -> Call[None]:
    return _get("/v1/taxonomy", check, {"format": "csv"})


def compare_taxonomy(media_type: str, content: bytes) -> Call[TaxonomyChanges]:
    return _put_taxonomy(content, {"Content-Type": media_type}, {"dry_run": "true"})


def put_taxonomy(media_type: str, content: bytes, digest: str) -> Call[TaxonomyChanges]:
    # Sent again after it was accepted, it is what is in force already.
    if_match = digest if digest == "*" else f'"{digest}"'
    return _put_taxonomy(content, {"Content-Type": media_type, "If-Match": if_match}, {})


def taxonomy_history(limit: int, cursor: int | None) -> Call[TaxonomyHistoryPage]:
    query = {"limit": min(limit, _TAXONOMIES_A_PAGE), "cursor": cursor}
    return _get("/v1/taxonomy/history", _record(TaxonomyHistoryPage), query)


def drift(days: int, bundle: str | None) -> Call[Drift]:
    return _get("/v1/drift", _record(Drift), {"days": days, "bundle": bundle})


def health() -> Call[Health]:
    def read(answer: Answer) -> Health:
        if not (answer.status == HTTPStatus.SERVICE_UNAVAILABLE and b'"fail"' in answer.content):
            check(answer)
        return parse(Health, _json(answer))

    # Not repeatable: a 503 is an answer here.
    return Call("GET", "/health", read, repeatable=False)


def _get(path: str, read: Callable[[Answer], T], query: Mapping[str, Any] | None = None) -> Call[T]:
    return Call("GET", path, read, _without_none(query or {}))


def _put_taxonomy(content: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Call[TaxonomyChanges]:
    return Call("PUT", "/v1/taxonomy", _record(TaxonomyChanges), query, content=content, headers=headers)


def _post(
    path: str,
    read: Callable[[Answer], T],
    body: Mapping[str, Any] | None = None,
    *,
    query: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    repeatable: bool = True,
) -> Call[T]:
    query = _without_none(query or {})
    return Call("POST", path, read, query, body, headers=headers or {}, repeatable=repeatable)


def _stream(path: str, read: Callable[[Answer], T], query: Mapping[str, Any], idempotency_key: str | None) -> Call[T]:
    """A request whose body is NDJSON, sent as it is made."""
    return _post(path, read, query=query, headers={"Content-Type": NDJSON, **_keyed(idempotency_key)})


def _without_none(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _zoned(time: datetime | None) -> str | None:
    """A time without a zone is this machine's."""
    return None if time is None else (time if time.tzinfo else time.astimezone()).isoformat()


def _keyed(idempotency_key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": idempotency_key or secrets.token_hex(16)}


def _id(record: str | Job | Training | BulkDecision) -> str:
    """The id as a segment of a path: no id leads to another route."""
    return quote(record if isinstance(record, str) else record.id, safe="")


def _record(kind: type[R]) -> Callable[[Answer], R]:
    def read(answer: Answer) -> R:
        check(answer)
        return parse(kind, _json(answer))

    return read


def _text(answer: Answer) -> str:
    return _content(answer).decode(errors="replace")


def _content(answer: Answer) -> bytes:
    check(answer)
    return answer.content


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.content)
    except ValueError as error:
        message = f"{answer.source} answered something other than JSON, so it is not the service: "
        raise UnexpectedAnswerError(message + _excerpt(answer.content)) from error


def _excerpt(content: bytes) -> str:
    return repr(content[:_EXCERPT].decode(errors="replace"))
