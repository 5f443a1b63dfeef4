"""Jobs and results as clients see them."""

from dataclasses import replace
from datetime import datetime
from typing import Literal, NamedTuple

from api.jobs.nearest import NearItem
from api.jobs.schemas import (
    AnswerOut,
    BranchesOut,
    CategoryOut,
    Decider,
    ExplanationOut,
    ItemErrorOut,
    ItemOut,
    JobOut,
    MemoryOut,
    NearestOut,
    PhraseOut,
    QueueOut,
    ResultOut,
    WordOut,
)
from api.lifecycle.counts import JobCountsOut
from api.lifecycle.decided import chosen, decided_out
from api.lifecycle.names import NameOf
from api.lifecycle.times import maybe_time, time_of
from api.lifecycle.webhooks import webhook_out
from shared.ledger import Decided, Explanation, Guess, ItemStatus, Job, KnownItem, LaneStatus, Outcome, Sent
from shared.telemetry.tracing import trace_id

_NOTHING = Sent()
_LONGEST_PAUSE_S = 30
"""The longest time after which a client is told to ask again."""


def job_out(job: Job, lane: LaneStatus | None) -> JobOut:
    url = f"/v1/jobs/{job.id}"
    rate = _rate(job)
    return JobOut(
        id=job.id,
        state=job.state,
        reason=job.reason,
        counts=JobCountsOut(**job.counts),
        open=job.open,
        bundles=dict(job.bundles),
        model_versions=dict(job.bundles),
        progress=round(job.done / job.total, 4),
        rate=None if rate is None else round(rate, 3),
        queue=lane and QueueOut(lane=job.lane, position=lane.position, waiting_items=lane.pending),
        created_at=time_of(job.created_at),
        started_at=maybe_time(job.started_at),
        finished_at=maybe_time(job.finished_at),
        times={state: time_of(entered) for state, entered in job.times.items()},
        deadline_at=time_of(job.deadline),
        estimated_finish_at=_estimate(job, rate, lane),
        error_budget=job.error_budget,
        pictures=job.pictures.value,
        parent=job.parent,
        name=job.name,
        metadata=dict(job.metadata),
        webhook=webhook_out(job),
        results_expire_at=maybe_time(job.results_expire_at),
        trace_id=trace_id(job.traceparent),
        url=url,
        results_url=f"{url}/results",
        events_url=f"{url}/events",
    )


class Final(NamedTuple):
    """The category that counts of an item."""

    code: str | None
    """`None` if a person said that no category fits."""
    by: Decider
    at: float | None
    """When a person decided; `None` where the model did."""


def retry_after(job: JobOut, now: float) -> str:
    """Seconds after which asking again is worthwhile: a quarter of the estimated rest."""
    if job.estimated_finish_at is None:
        return "1"
    remaining = job.estimated_finish_at.timestamp() - now
    return str(round(min(max(remaining / 4, 1), _LONGEST_PAUSE_S)))


def result_out(
    bundle: str, outcome: Outcome, name_of: NameOf, sent: Sent = _NOTHING, decided: Decided | None = None
) -> ResultOut:
    metadata = None if sent.metadata is None else dict(sent.metadata)
    if outcome.status is not ItemStatus.SUCCEEDED:
        return ResultOut(
            id=outcome.id,
            index=outcome.index,
            status=outcome.status,
            error=ItemErrorOut(
                code=outcome.error or outcome.status,
                message=outcome.message or "",
                pointer=outcome.pointer,
                line=outcome.line,
            ),
            bundle=bundle or None,
            model_version=bundle or None,
            title=sent.title,
            metadata=metadata,
        )
    others = [_category(guess, name_of) for guess in outcome.guesses[1:]]
    final = final_of(outcome, decided)
    return ResultOut(
        id=outcome.id,
        index=outcome.index,
        status=outcome.status,
        category=_answer(outcome, name_of),
        needs_review=outcome.needs_review,
        alternatives=others,
        branches=_branches(outcome, name_of),
        picture=picture_of(outcome),
        cached=outcome.cached,
        provisional=outcome.provisional,
        bundle=bundle,
        model_version=bundle,
        final=chosen(final.code, name_of),
        decided_by=final.by,
        decided_at=None if final.at is None else time_of(final.at),
        memory=outcome.remembered and memory_out(outcome.remembered, name_of, near_copy=outcome.near_copy),
        title=sent.title,
        metadata=metadata,
    )


def memory_out(decided: Decided, name_of: NameOf, *, near_copy: bool) -> MemoryOut:
    return MemoryOut(**dict(decided_out(decided, name_of)), match="near" if near_copy else "same")


def nearest_out(near: NearItem, name_of: NameOf) -> NearestOut:
    decided = dict(decided_out(near.decided, name_of))
    return NearestOut(**decided, title=near.title, similarity=round(near.similarity, 3))


def explanation_out(bundle: str, outcome: Outcome, why: Explanation, name_of: NameOf) -> ExplanationOut:
    text, image = outcome.text, outcome.image
    best, *others = [_category(guess, name_of) for guess in outcome.guesses]
    return ExplanationOut(
        category=best,
        runner_up=others[0] if others else None,
        phrases=[
            PhraseOut(
                text=" ".join(why.words[first : first + count]),
                first=first,
                count=count,
                effect=round(sum(why.effects[first : first + count]), 3),
            )
            for first, count in why.phrases
        ],
        words=[WordOut(word=word, effect=effect) for word, effect in zip(why.words, why.effects, strict=True)],
        branches=_branches(outcome, name_of),
        picture=picture_of(outcome),
        picture_changed_answer=text is not None and image is not None and text.code != best.code,
        review_threshold=why.review_threshold,
        cascade_threshold=why.cascade_threshold,
        bundle=bundle,
    )


def item_out(job_id: str, known: KnownItem, name_of: NameOf) -> ItemOut:
    item, index, sent = known.item, known.outcome.index, known.sent or _NOTHING
    if sent.title is None and item is not None:
        sent = replace(sent, title=item.title)
    outcome = known.outcome
    if outcome.audited:  # who looks at the item is not told so
        outcome = replace(outcome, needs_review=True, sure=min(outcome.sure, len(outcome.path)))
    return ItemOut(
        title=sent.title,
        description=item and item.description,
        image_url=item and item.url,
        picture_url=f"/v1/jobs/{job_id}/items/{index}/picture" if item and item.blob else None,
        kept=item is not None,
        decision=None if known.decided is None else decided_out(known.decided, name_of),
        result=result_out(known.bundle, outcome, name_of, sent, known.decided),
    )


def _answer(outcome: Outcome, name_of: NameOf) -> AnswerOut:
    path = [_category(guess, name_of) for guess in (*outcome.path, outcome.guesses[0])]
    best, sure = path[-1], path[outcome.sure - 1] if outcome.sure else None
    return AnswerOut(code=best.code, name=best.name, confidence=best.confidence, path=path, sure=sure)


def _branches(outcome: Outcome, name_of: NameOf) -> BranchesOut:
    text_weight, image_weight = outcome.weights or (0.0, 0.0)
    return BranchesOut(
        text=_category(outcome.text, name_of) if outcome.text else None,
        image=_category(outcome.image, name_of) if outcome.image else None,
        text_weight=text_weight,
        image_weight=image_weight,
    )


def final_of(outcome: Outcome, decided: Decided | None) -> Final:
    """Return what counts of an item that succeeded: a person's decision, else the memory's answer, else the model's."""
    best, remembered = outcome.guesses[0].code, outcome.remembered
    if decided is not None:
        return Final(decided.code, "audit" if outcome.audited else "person", decided.at)
    if remembered is not None and outcome.from_memory:  # its category may have been merged into another since
        return Final(None if remembered.code is None else best, "memory", remembered.at)
    return Final(best, "model", None)


def picture_of(outcome: Outcome) -> Literal["looked_at", "not_looked_at"] | None:
    """Return whether the model looked at the item's picture; `None` without one."""
    if outcome.not_looked_at:
        return "not_looked_at"
    return None if outcome.image is None else "looked_at"


def _category(guess: Guess, name_of: NameOf) -> CategoryOut:
    return CategoryOut(code=guess.code, name=name_of(guess.code), confidence=guess.confidence)


def _rate(job: Job) -> float | None:
    """Items per second since the job began; skipped items do not count."""
    computed = job.succeeded + job.failed
    if job.started_at is None or not computed:
        return None
    until = job.finished_at or job.read_at
    return computed / max(until - job.started_at, 1e-3)


def _estimate(job: Job, rate: float | None, lane: LaneStatus | None) -> datetime | None:
    """When the job ends at its own rate, or while it has none, its whole lane at the lane's; at most the deadline."""
    if lane is None:
        return None
    if rate is None:
        rate, items = lane.rate, lane.pending
    else:
        items = job.pending
    return time_of(min(job.read_at + items / rate, job.deadline)) if rate else None
