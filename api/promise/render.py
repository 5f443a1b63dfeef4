"""The promise as clients see it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from api.lifecycle.names import NameOf
from api.lifecycle.times import time_of
from api.promise.schemas import (
    AuditedPrecisionOut,
    CategoryPrecisionOut,
    PromiseOut,
    ThresholdMoveOut,
    WeekPrecisionOut,
)
from shared.ledger import (
    CheckedAnswer,
    ModelPromise,
    TenantThreshold,
    ThresholdMove,
    precision_of,
    starts_at,
)
from shared.promise import SURE, Precision, PromiseState, lowest, state_of

_PLACES = 4
_CATEGORIES = 100
_MEANS = {
    PromiseState.KEPT: "The promise is kept.",
    PromiseState.OPEN: "Too few are audited to tell whether the promise is kept.",
    PromiseState.BROKEN: "The promise is broken.",
}


def promise_out(
    promise: ModelPromise | None,
    set_: TenantThreshold | None,
    audited: Sequence[CheckedAnswer],
    accepted: Mapping[int, int],
    moves: Sequence[ThresholdMove],
    name_of: NameOf,
) -> PromiseOut:
    precision = precision_of(audited)
    promised = None if promise is None else promise.precision
    state = PromiseState.OPEN if promised is None else state_of(precision, promised)
    own = None if promise is None else promise.threshold
    threshold = own if set_ is None or promise is None else set_.of(promise.bundle, own)
    return PromiseOut(
        says=says(precision, promised, state),
        state=state,
        promised=promised,
        bundle=promise and promise.bundle,
        since=_monday(min(accepted)),
        precision=AuditedPrecisionOut(**_figures(precision)),
        threshold=threshold,
        own_threshold=own,
        lowest=None if own is None else lowest(own),
        pinned=set_ is not None and set_.pinned,
        by_category=_by_category(audited, name_of),
        by_week=_by_week(audited, accepted),
        moves=[
            ThresholdMoveOut(at=time_of(move.at), before=move.before, after=move.after, reason=move.reason, by=move.by)
            for move in moves
        ],
    )


def says(precision: Precision, promised: float | None, state: PromiseState) -> str:
    """Return how the promise stands, in a sentence."""
    if promised is None:
        return "No model has served yet, so nothing is promised."
    if not precision.audited:
        return f"{promised:.0%} of the accepted answers are promised to be right; none is audited yet."
    return (
        f"At least {_down(precision.at_least)} of the accepted answers are right, {SURE:.0%} sure, by "
        f"{precision.audited:,} audited ones of which {precision.right:,} were right; {promised:.0%} is promised. "
        f"{_MEANS[state]}"
    )


def _down(share: float) -> str:
    """A lower bound in per cent, rounded down: what is said must hold."""
    return f"{int(share * 1000 + 1e-9) / 10:.1f}%"


def _by_category(audited: Sequence[CheckedAnswer], name_of: NameOf) -> list[CategoryPrecisionOut]:
    found = defaultdict[str, list[CheckedAnswer]](list)
    for answer in audited:
        found[answer.branch].append(answer)
    figures = [(code, precision_of(answers, floor=True)) for code, answers in found.items()]
    figures.sort(key=lambda pair: (-pair[1].audited, pair[0]))
    return [
        CategoryPrecisionOut(code=code, name=name_of(code), **_figures(precision))
        for code, precision in figures[:_CATEGORIES]
    ]


def _by_week(audited: Sequence[CheckedAnswer], accepted: Mapping[int, int]) -> list[WeekPrecisionOut]:
    found = defaultdict[int, list[CheckedAnswer]](list)
    for answer in audited:
        found[answer.week].append(answer)
    return [
        WeekPrecisionOut(week=_monday(week), accepted=number, **_figures(precision_of(found[week])))
        for week, number in sorted(accepted.items())
        if number or found[week]
    ]


def _figures(precision: Precision) -> dict[str, int | float | None]:
    return {
        "audited": precision.audited,
        "right": precision.right,
        "estimate": None if precision.estimate is None else round(precision.estimate, _PLACES),
        "at_least": round(precision.at_least, _PLACES),
        "at_most": round(precision.at_most, _PLACES),
    }


def _monday(week: int) -> date:
    return datetime.fromtimestamp(starts_at(week), UTC).date()
