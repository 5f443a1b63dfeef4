"""Decisions as other systems are told of them."""

from api.decisions.schemas import DecisionOut, SuggestedOut
from api.lifecycle.decided import chosen
from api.lifecycle.names import NamesOf
from shared.stores.decisions import of_told


def decision_out(cursor: str, kept: str, names_of: NamesOf) -> DecisionOut:
    """Return a decision from what `told` gave."""
    decision = of_told(kept)
    name_of = names_of(decision.bundle or "")
    suggested = None
    if decision.guess is not None and decision.confidence is not None and decision.bundle is not None:
        guess, confidence, bundle = decision.guess, decision.confidence, decision.bundle
        suggested = SuggestedOut(code=guess, name=name_of(guess), confidence=confidence, bundle=bundle)
    return DecisionOut(
        id=decision.place,
        cursor=cursor,
        kind=decision.kind,
        job_id=decision.job,
        index=decision.item_index,
        item_id=decision.item,
        category=chosen(decision.code, name_of),
        note=decision.note,
        undoes=decision.undoes,
        like=decision.like_place,
        by=decision.by,
        at=decision.at,
        took_ms=decision.took_ms,
        suggested=suggested,
    )
