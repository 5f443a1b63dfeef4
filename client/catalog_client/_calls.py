"""Every request that the service takes: one description each, which both clients send."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypedDict, TypeVar
from urllib.parse import quote

from catalog_client._call import (
    Answer,
    Call,
    check,
    content_of,
    excerpt,
    get,
    json_of,
    keyed,
    post,
    record_of,
    stream,
    text_of,
    without_none,
)
from catalog_client._decision_records import BulkDecision, Decision, DecisionsPage, DecisionSummary, UndoneDecisions
from catalog_client._errors import UnexpectedAnswerError
from catalog_client._item_records import Card, ItemsPage, NextCards, Released
from catalog_client._model_records import Drift, Models, Training, TrainingList, TrainingSources
from catalog_client._parsing import parse
from catalog_client._promise_records import Promise
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

P = TypeVar("P", ItemsPage, JobsPage, TaxonomyHistoryPage)
"""A page whose `next_cursor` leads to the next one."""

_JOBS_A_PAGE = 200
_ITEMS_A_PAGE = 200
_DECISIONS_A_PAGE = 1000
_TAXONOMIES_A_PAGE = 50
"""The most that the service lists at once."""


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
    return stream("/v1/jobs", record_of(Job), query, idempotency_key)


def job(job_id: str | Job, wait_s: float) -> Call[Job]:
    return get(f"/v1/jobs/{_id(job_id)}", record_of(Job), {"wait": wait_s})


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
    return get("/v1/jobs", record_of(JobsPage), query)


def cancel(job_id: str | Job) -> Call[Job]:
    return post(f"/v1/jobs/{_id(job_id)}/cancel", record_of(Job))


def retry(job_id: str | Job, status: tuple[str, ...], idempotency_key: str | None) -> Call[Job]:
    query = {"status": list(status)} if status else {}
    return post(f"/v1/jobs/{_id(job_id)}/retry", record_of(Job), query=query, headers=keyed(idempotency_key))


def results_page(job_id: str | Job, cursor: str | None, limit: int, status: str | None) -> Call[ResultsPage]:
    query = {"cursor": cursor, "limit": limit, "status": status}
    return get(f"/v1/jobs/{_id(job_id)}/results", record_of(ResultsPage), query)


def results(job_id: str | Job, status: str | None) -> Call[None]:
    """The stream of all results: its lines are read by `result`."""
    return export(job_id, "ndjson", status)


def export(job_id: str | Job, form: str, status: str | None) -> Call[None]:
    """All results as a file in this format."""
    return get(f"/v1/jobs/{_id(job_id)}/results", check, {"format": form, "status": status})


def result(line: bytes) -> Result:
    """One line of the stream of results."""
    try:
        return parse(Result, json.loads(line))
    except ValueError as error:
        raise UnexpectedAnswerError(f"a line of the results is not JSON: {excerpt(line)}") from error


def deliveries(job_id: str | Job) -> Call[Deliveries]:
    return get(f"/v1/jobs/{_id(job_id)}/deliveries", record_of(Deliveries))


def redeliver(job_id: str | Job) -> Call[Deliveries]:
    return post(f"/v1/jobs/{_id(job_id)}/deliveries", record_of(Deliveries), repeatable=False)


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
    return get(f"/v1/jobs/{_id(job_id)}/items", record_of(ItemsPage), query)


def picture(job_id: str | Job, index: int) -> Call[bytes]:
    return get(f"/v1/jobs/{_id(job_id)}/items/{index}/picture", content_of)


def explanation(job_id: str | Job, index: int) -> Call[Explanation]:
    return get(f"/v1/jobs/{_id(job_id)}/items/{index}/explanation", record_of(Explanation))


def predict(description: str | None, image: str | None, *, explain: bool) -> Call[Prediction]:
    query = {"explain": explain or None}
    return post("/predict", record_of(Prediction), {"description": description, "image": image}, query=query)


def send_labels(on_invalid: str | None, idempotency_key: str | None) -> Call[LabelSummary]:
    return stream("/v1/labels", record_of(LabelSummary), {"on_invalid": on_invalid}, idempotency_key)


def label_counts() -> Call[LabelCounts]:
    return get("/v1/labels", record_of(LabelCounts))


def decide(decisions: Iterable[Decision | Mapping[str, Any]], idempotency_key: str | None) -> Call[DecisionSummary]:
    listed = [each.body() if isinstance(each, Decision) else without_none(each) for each in decisions]
    return post("/v1/decisions", record_of(DecisionSummary), {"decisions": listed}, headers=keyed(idempotency_key))


def decide_all(job_id: str | Job, said: Mapping[str, Any], filters: BulkFilters) -> Call[BulkDecision]:
    body = {
        "job_id": job_id.id if isinstance(job_id, Job) else job_id,
        "filter": without_none(filters),
        **without_none(said),
    }
    return post("/v1/decisions/bulk", record_of(BulkDecision), body)


def bulk_decision(bulk: str | BulkDecision) -> Call[BulkDecision]:
    return get(f"/v1/decisions/bulk/{_id(bulk)}", record_of(BulkDecision))


def undo_all(bulk: str | BulkDecision) -> Call[BulkDecision]:
    return post(f"/v1/decisions/bulk/{_id(bulk)}/undo", record_of(BulkDecision))


def undo(count: int, by: str | None, idempotency_key: str | None) -> Call[UndoneDecisions]:
    body = without_none({"count": count, "by": by})
    return post("/v1/decisions/undo", record_of(UndoneDecisions), body, headers=keyed(idempotency_key))


def decisions_page(since: str | None) -> Call[DecisionsPage]:
    return get("/v1/decisions", record_of(DecisionsPage), {"since": since, "limit": _DECISIONS_A_PAGE})


def next_cards(
    limit: int,
    job_id: str | Job | None,
    category: str | None,
    minutes: int,
    by: str | None,
    idempotency_key: str | None,
) -> Call[NextCards]:
    job = job_id.id if isinstance(job_id, Job) else job_id
    body = without_none({"limit": limit, "job_id": job, "category": category, "minutes": minutes, "by": by})
    return post("/v1/review/next", record_of(NextCards), body, headers=keyed(idempotency_key))


def release(cards: Sequence[Card | tuple[str, int]] | None, by: str | None) -> Call[Released]:
    named = [(card.job_id, card.index) if isinstance(card, Card) else card for card in cards or ()]
    items = None if cards is None else [{"job_id": job, "index": index} for job, index in named]
    return post("/v1/review/release", record_of(Released), without_none({"items": items, "by": by}))


def train(request: Mapping[str, Any], idempotency_key: str | None) -> Call[Training]:
    body = {name: value for name, value in request.items() if value is not None}
    return post("/v1/trainings", record_of(Training), body, headers=keyed(idempotency_key))


def training_sources() -> Call[tuple[str, ...]]:
    read = record_of(TrainingSources)
    return get("/v1/trainings/sources", lambda answer: tuple(source.name for source in read(answer).sources))


def training(training_id: str | Training, wait_s: float) -> Call[Training]:
    return get(f"/v1/trainings/{_id(training_id)}", record_of(Training), {"wait": wait_s})


def trainings(limit: int) -> Call[tuple[Training, ...]]:
    read = record_of(TrainingList)
    return get("/v1/trainings", lambda answer: read(answer).trainings, {"limit": limit})


def cancel_training(training_id: str | Training) -> Call[Training]:
    return post(f"/v1/trainings/{_id(training_id)}/cancel", record_of(Training))


def training_log(training_id: str | Training, lines: int) -> Call[str]:
    return get(f"/v1/trainings/{_id(training_id)}/log", text_of, {"lines": lines})


def models() -> Call[Models]:
    return get("/v1/models", record_of(Models))


def promote(version: str | int, reason: str, force: bool) -> Call[Models]:
    body = {"reason": reason, "force": force}
    return post(f"/v1/models/{quote(str(version), safe='')}/promote", record_of(Models), body)


def rollback(reason: str) -> Call[Models]:
    # A second one undoes the first.
    return post("/v1/models/rollback", record_of(Models), {"reason": reason}, repeatable=False)


def taxonomy() -> Call[Taxonomy]:
    return get("/v1/taxonomy", record_of(Taxonomy))


def taxonomy_table() -> Call[None]:
    return get("/v1/taxonomy", check, {"format": "csv"})


def compare_taxonomy(media_type: str, content: bytes) -> Call[TaxonomyChanges]:
    return _put_taxonomy(content, {"Content-Type": media_type}, {"dry_run": "true"})


def put_taxonomy(media_type: str, content: bytes, digest: str) -> Call[TaxonomyChanges]:
    # Sent again after it was accepted, it is what is in force already.
    if_match = digest if digest == "*" else f'"{digest}"'
    return _put_taxonomy(content, {"Content-Type": media_type, "If-Match": if_match}, {})


def taxonomy_history(limit: int, cursor: int | None) -> Call[TaxonomyHistoryPage]:
    query = {"limit": min(limit, _TAXONOMIES_A_PAGE), "cursor": cursor}
    return get("/v1/taxonomy/history", record_of(TaxonomyHistoryPage), query)


def drift(days: int, bundle: str | None) -> Call[Drift]:
    return get("/v1/drift", record_of(Drift), {"days": days, "bundle": bundle})


def promise() -> Call[Promise]:
    return get("/v1/promise", record_of(Promise))


def health() -> Call[Health]:
    def read(answer: Answer) -> Health:
        if not (answer.status == HTTPStatus.SERVICE_UNAVAILABLE and b'"fail"' in answer.content):
            check(answer)
        return parse(Health, json_of(answer))

    # Not repeatable: a 503 is an answer here.
    return Call("GET", "/health", read, repeatable=False)


def _put_taxonomy(content: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Call[TaxonomyChanges]:
    return Call("PUT", "/v1/taxonomy", record_of(TaxonomyChanges), query, content=content, headers=headers)


def _zoned(time: datetime | None) -> str | None:
    """A time without a zone is this machine's."""
    return None if time is None else (time if time.tzinfo else time.astimezone()).isoformat()


def _id(record: str | Job | Training | BulkDecision) -> str:
    """The id as a segment of a path: no id leads to another route."""
    return quote(record if isinstance(record, str) else record.id, safe="")
