"""The ledger's records as clients see them: JSON, NDJSON and CSV."""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from io import StringIO

from api.schemas import (
    BranchesOut,
    CategoryOut,
    Counts,
    ItemErrorOut,
    JobOut,
    ResultOut,
    WebhookOut,
)
from shared.ledger import Guess, Job, Outcome
from shared.taxonomy import name_of

CSV_COLUMNS = (
    "index", "id", "status", "prdtypecode", "category", "confidence", "needs_review",
    "model_version", "error", "message",
)  # fmt: skip
_LONGEST_PAUSE_S = 30


def job_out(job: Job, now: datetime) -> JobOut:
    url = f"/v1/jobs/{job.id}"
    done = job.total - job.pending
    webhook = (
        WebhookOut(url=job.webhook_url, state=job.webhook_state or "waiting", attempts=job.webhook_attempts)
        if job.webhook_url
        else None
    )
    return JobOut(
        id=job.id,
        state=job.state,
        counts=Counts(
            total=job.total,
            pending=job.pending,
            succeeded=job.succeeded,
            failed=job.failed,
            cancelled=job.cancelled,
            needs_review=job.needs_review,
        ),
        progress=round(done / job.total, 4),
        created_at=_time(job.created_at),
        started_at=None if job.started_at is None else _time(job.started_at),
        finished_at=None if job.finished_at is None else _time(job.finished_at),
        estimated_finish_at=_estimate(job, now),
        webhook=webhook,
        url=url,
        results_url=f"{url}/results",
    )


def retry_after(job: JobOut, now: datetime) -> str:
    """Seconds after which asking again is worth while."""
    if job.estimated_finish_at is None:
        return "1"
    remaining = (job.estimated_finish_at - now).total_seconds()
    return str(round(min(max(remaining / 4, 1), _LONGEST_PAUSE_S)))


def result_out(model: str, outcome: Outcome) -> ResultOut:
    if outcome.error is not None:
        return ResultOut(
            id=outcome.id,
            index=outcome.index,
            status="failed",
            error=ItemErrorOut(code=outcome.error, message=outcome.message or ""),
            model_version=model,
        )
    text_weight, image_weight = outcome.weights or (0.0, 0.0)
    best, *others = (_category(guess) for guess in outcome.guesses)
    return ResultOut(
        id=outcome.id,
        index=outcome.index,
        status="succeeded",
        category=best,
        needs_review=outcome.needs_review,
        alternatives=others,
        branches=BranchesOut(
            text=_category(outcome.text) if outcome.text else None,
            image=_category(outcome.image) if outcome.image else None,
            text_weight=text_weight,
            image_weight=image_weight,
        ),
        model_version=model,
    )


def ndjson(pages: Iterable[list[ResultOut]]) -> Iterator[str]:
    """A line per result; yielded by page, because each piece of a streamed response costs a change of threads."""
    for page in pages:
        yield "".join(result.model_dump_json() + "\n" for result in page)


def csv_table(pages: Iterable[list[ResultOut]]) -> Iterator[str]:
    """A heading, and a row per result; yielded by page."""
    yield _csv_rows([CSV_COLUMNS])
    for page in pages:
        yield _csv_rows(_csv_row(result) for result in page)


def _csv_row(result: ResultOut) -> tuple[object, ...]:
    category, error = result.category, result.error
    return (
        result.index,
        result.id,
        result.status,
        category.code if category else "",
        category.name if category else "",
        category.confidence if category else "",
        "" if result.needs_review is None else str(result.needs_review).lower(),
        result.model_version,
        error.code if error else "",
        error.message if error else "",
    )


def _csv_rows(rows: Iterable[Iterable[object]]) -> str:
    buffer = StringIO(newline="")
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


def _category(guess: Guess) -> CategoryOut:
    return CategoryOut(code=guess.code, name=name_of(guess.code), confidence=guess.confidence)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _estimate(job: Job, now: datetime) -> datetime | None:
    """The rest at the rate so far; unknown before the first chunk is done, and once the job has ended."""
    done = job.total - job.pending
    if job.ended or job.started_at is None or not done:
        return None
    per_item = max(now.timestamp() - job.started_at, 0) / done
    return _time(now.timestamp() + per_item * job.pending)
