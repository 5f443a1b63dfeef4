"""Moves each tenant's threshold, so that the accepted answers are as precise as the model in service promises.

Celery beat has it done once a day. What it does depends only on what people decided, so a day that is missed is made up
for by the next one.
"""

import logging

from redis import Redis

from shared.ledger import (
    CheckedAnswer,
    ModelPromise,
    PromiseFigures,
    PromiseRecord,
    Promises,
    ThresholdMove,
    precision_of,
)
from shared.promise import LabelledAnswer, Threshold, state_of, threshold_for
from shared.stores.taxonomy_in_force import PublishedTaxonomies

log = logging.getLogger(__name__)

LABELLED_DAYS = 21
"""How long a decision says something about the answers of today; older ones hardly count."""
ANSWERS_DAYS = 7
"""Days of answers that the threshold is to suit."""
_DAY_S = 86400


class PromiseKeeper:
    """Keeps the promises of all tenants.

    Args:
        keep_days: How long bundles stay published.
        moving: Whether thresholds are moved, or promises only watched.
    """

    def __init__(self, redis: Redis, keep_days: int, *, moving: bool = True) -> None:
        self._promises = Promises(redis)
        self._record = PromiseRecord(redis)
        self._published = PublishedTaxonomies(redis, keep_days)
        self._moving = moving

    def keep(self) -> None:
        """Move the thresholds of those tenants whose answers ask for it, and note how each promise stands."""
        served = self._published.served()
        promise = None if served is None else self._promises.of_bundle(served.id)
        if promise is not None:
            self._promises.note({tenant: self._of_tenant(tenant, promise) for tenant in self._record.tenants()})

    def _of_tenant(self, tenant: str, promise: ModelPromise) -> PromiseFigures:
        audited = self._record.audited(tenant)
        set_ = self._promises.of_tenant(tenant)
        in_force = promise.threshold if set_ is None else set_.of(promise.bundle, promise.threshold)
        at_limit = False
        if in_force is not None and promise.threshold is not None:
            chosen = self._threshold(tenant, promise, in_force, audited)
            at_limit = chosen.at_limit
            pinned = set_ is not None and set_.pinned
            if self._moving and not pinned and self._moved(tenant, promise, in_force, chosen):
                in_force = chosen.value
        precision = precision_of(audited)
        state = state_of(precision, promise.precision, at_limit=at_limit)
        return PromiseFigures(state.value, in_force, precision.audited, precision.estimate, precision.at_least)

    def _threshold(
        self, tenant: str, promise: ModelPromise, in_force: float, audited: list[CheckedAnswer]
    ) -> Threshold:
        """The threshold that what was decided of late asks for."""
        assert promise.threshold is not None  # noqa: S101  # asked before
        now = self._record.now()
        labelled = [
            LabelledAnswer(answer.confidence, answer.right, (now - answer.at) / _DAY_S)
            for answer in (*audited, *self._record.reviewed(tenant, LABELLED_DAYS))
            if answer.right is not None and answer.bundle == promise.bundle
        ]
        recent = [answer for answer in labelled if answer.age_days <= LABELLED_DAYS]
        answers = self._record.answers(tenant, promise.bundle, ANSWERS_DAYS)
        return threshold_for(in_force, promise.threshold, promise.precision, recent, answers, ANSWERS_DAYS)

    def _moved(self, tenant: str, promise: ModelPromise, before: float, chosen: Threshold) -> bool:
        if chosen.value == before or chosen.precision is None:
            return False
        reason = (
            f"{chosen.labelled:,} decisions of the last {LABELLED_DAYS} days let expect that {chosen.precision:.1%} "
            f"(± {chosen.error:.1%}) of the answers from {chosen.value:g} on are right; {promise.precision:.0%} is "
            "promised."
        )
        if chosen.at_limit:
            reason += " No higher threshold is allowed."
        moved = self._promises.move(tenant, ThresholdMove(before, chosen.value, reason, promise.bundle))
        if moved:
            log.info("threshold of tenant %s: %g after %g: %s", tenant, chosen.value, before, reason)
        return moved
