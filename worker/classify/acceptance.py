"""Which answers are accepted without a person's look, by the tenant's threshold, and which of those are audited.

The threshold may be another one than the bundle's (`shared.promise`). Audits are drawn by a keyed hash of the item's
place: a chunk that is computed twice draws the same, and nobody outside can tell which. Some more are drawn of
categories of which few were; those show nothing but the precision of their category.
"""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from redis import Redis, RedisError

from shared.ledger import (
    AuditKind,
    DrawCounts,
    ItemStatus,
    Lease,
    ModelPromise,
    Outcome,
    PromiseRecord,
    Promises,
)
from shared.model.bundle import Bundle
from shared.model.review import Review
from shared.promise import bin_of

log = logging.getLogger(__name__)

_FLOOR = 5
"""Audits of a week and category to reach, as far as there is room for them."""


class AcceptedAnswers:
    """What is accepted and audited; used by many threads at once.

    Args:
        share: The chance that an accepted answer is audited; with those of the floor, at most twice this share is.
    """

    def __init__(self, redis: Redis, share: float) -> None:
        self._promises = Promises(redis)
        self._record = PromiseRecord(redis)
        self._share = share
        self._secret = b""

    def publish(self, bundle: Bundle) -> None:
        """Let others know what the bundle promises."""
        review = bundle.manifest.review
        self._promises.publish(ModelPromise(bundle.id, review.precision, review.threshold))

    def of(self, lease: Lease, bundle: Bundle, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Return the outcomes of a chunk as the tenant's threshold judges them, some of them to be audited."""
        try:
            judged_ = self._judged(lease.tenant, bundle, outcomes)
            # Somebody looks at what is explained anyway, and it is nobody's catalogue.
            return self._audited(lease, bundle.id, judged_) if self._share and not lease.explain else judged_
        except RedisError as error:  # the commit will fail, too, and the chunk be tried again
            log.warning("a chunk is judged by its bundle's threshold, and nothing of it audited: %s", error)
            return list(outcomes)

    def _judged(self, tenant: str, bundle: Bundle, outcomes: Sequence[Outcome]) -> list[Outcome]:
        own = bundle.manifest.review
        set_ = self._promises.of_tenant(tenant)
        threshold = own.threshold if set_ is None else set_.of(bundle.id, own.threshold)
        if threshold == own.threshold:
            return list(outcomes)
        review = own.model_copy(update={"threshold": threshold})
        return [judged(outcome, review) if outcome.guesses else outcome for outcome in outcomes]

    def _audited(self, lease: Lease, bundle: str, outcomes: list[Outcome]) -> list[Outcome]:
        answers = [outcome for outcome in outcomes if outcome.status is ItemStatus.SUCCEEDED and outcome.guesses]
        accepted = [outcome for outcome in answers if not outcome.needs_review]
        kinds = {each.index: AuditKind.DRAWN for each in accepted if self._is_drawn(lease.job_id, each.index)}
        others = defaultdict[str, list[int]](list)
        drawn = Counter[str]()
        for outcome in accepted:
            if outcome.index in kinds:
                drawn[outcome.root] += 1
            else:
                others[outcome.root].append(outcome.index)
        branches = {code: (drawn[code], len(others[code])) for code in {*drawn, *others}}
        bins = Counter(bin_of(outcome.guesses[0].confidence) for outcome in answers)
        counts = DrawCounts(bins, len(accepted), branches)
        for code, more in self._record.count(lease.tenant, bundle, counts, _FLOOR, self._share).items():
            kinds |= dict.fromkeys(others[code][:more], AuditKind.FLOOR)
        return [
            replace(outcome, audited=kinds[outcome.index]) if outcome.index in kinds else outcome
            for outcome in outcomes
        ]

    def _is_drawn(self, job: str, index: int) -> bool:
        if not self._secret:
            self._secret = self._record.secret()
        lot = hashlib.blake2b(f"{job} {index}".encode(), digest_size=8, key=self._secret)
        return int.from_bytes(lot.digest(), "big") < self._share * 2**64


def judged(outcome: Outcome, review: Review) -> Outcome:
    """Return an outcome as this threshold judges it."""
    confidence, doubtful = outcome.guesses[0].confidence, outcome.doubtful
    above = [guess.confidence for guess in outcome.path]
    explanation = outcome.explanation
    return replace(
        outcome,
        needs_review=doubtful or review.needs_review(confidence),
        sure=0 if doubtful else review.sure(above, confidence),
        explanation=explanation and replace(explanation, review_threshold=review.threshold),
    )
