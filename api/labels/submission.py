"""Accepts labels: all of a request or none of them, for trainings to learn from."""

from collections.abc import Mapping
from datetime import date
from itertools import islice
from typing import Annotated

from fastapi.concurrency import run_in_threadpool
from redis import Redis

from api.access.authentication import Principal
from api.dependencies import service
from api.http.idempotency import identifier_of
from api.ingest import Intake
from api.labels.batch import LabelBatch
from api.labels.categories import LabelCategories
from api.labels.index import LabelCounts, LabelIndex
from api.labels.lookup import ResultLookup
from api.labels.schemas import LabelOptions, LabelsOut
from api.lifecycle.options import validated
from shared.drift import Drift
from shared.ledger import KEEP_ANSWERS_S, Claim, Idempotency, Ledger, Results
from shared.settings import Settings
from shared.stores.blobs import Blobs
from shared.stores.labels import Label, LabelKind, LabelStore
from shared.stores.request_files import arrival
from shared.stores.taxonomy_in_force import InForce

_SHOWN_ERRORS = 100


class LabelSubmissions:
    def __init__(self, settings: Settings, redis: Redis, blobs: Blobs, in_force: InForce) -> None:
        self._settings = settings
        self._in_force = in_force
        self._drift = Drift(redis, settings.keep_drift_days)
        self._ledger = Ledger(redis)
        self._idempotency = Idempotency(redis)
        self._store = LabelStore(settings.labels_url)
        self._index = LabelIndex(redis, self._store)
        self._lookup = ResultLookup(self._ledger, Results(redis), blobs)

    async def accept(self, intake: Intake, tenant: str, by: str, claim: Claim | None = None) -> LabelsOut:
        """Validate every label, then store them.

        Args:
            by: Who says what the items are, where a label does not name anybody.
            claim: The request's idempotency key, which leads to this answer from then on.

        Raises:
            Problem: a label is invalid and none may be skipped (each is named), or there are no labels or too many.
            OSError: they cannot be stored.
        """
        validated(LabelOptions, intake.options)  # those of the query, before a long body is read
        now = await run_in_threadpool(self._ledger.now)
        categories = LabelCategories(await run_in_threadpool(self._in_force.now))
        batch = LabelBatch(self._settings, intake.spool, tenant, by, now, categories)
        async for raw in intake.items:
            await batch.add(raw)
        options = validated(LabelOptions, intake.options)
        await run_in_threadpool(self._lookup.complete, batch)
        batch.invalid.check(batch.total, options.on_invalid, "labels")
        await intake.spool.store({label.picture for _, label in batch.labels if label.picture}, self._store.put_picture)
        return await run_in_threadpool(self._keep, batch, claim, intake.fingerprint() if claim else "")

    def counts(self, caller: Principal) -> LabelCounts:
        """Return the counts of the caller's labels, or of all tenants' if the caller may see what others do."""
        return self._index.counts(None if caller.sees_all_tenants else caller.tenant)

    def _keep(self, batch: LabelBatch, claim: Claim | None, fingerprint: str) -> LabelsOut:
        names = self._index.catch_up()
        identifier = identifier_of(self._idempotency, claim, fingerprint)
        labels = [label for _, label in batch.labels]
        name = self._accepted_before(names, identifier)
        if name is None:
            name = LabelStore.name(self._ledger.now(), identifier)
            self._store.append(name, labels)
            self._count_for_drift(labels, batch.days)
        kinds = [label.kind for label in labels]
        out = LabelsOut(
            id=name.removesuffix(".ndjson"),
            accepted=len(labels),
            corrections=kinds.count(LabelKind.CORRECTION),
            confirmations=kinds.count(LabelKind.CONFIRMATION),
            conflicts=self._index.add(name, labels),
            invalid=batch.invalid.count,
            errors=list(islice(batch.invalid.entries(), _SHOWN_ERRORS)),
        )
        if claim is not None:
            self._idempotency.settle(claim, out.model_dump_json(), fingerprint, KEEP_ANSWERS_S)
        return out

    def _count_for_drift(self, labels: list[Label], days: Mapping[str, date]) -> None:
        """Count which answers were right: the accuracy estimated without labels is compared with that."""
        for label in labels:
            if label.kind and label.job and label.bundle and label.confidence is not None:
                right = label.kind is LabelKind.CONFIRMATION
                self._drift.label(label.bundle, days[label.job], label.confidence, right)

    def _accepted_before(self, names: list[str], identifier: str) -> str | None:
        """The file that an earlier attempt of this request wrote before its process died without answering."""
        since = self._ledger.now() - KEEP_ANSWERS_S
        earlier = (name for name in names if identifier in name and arrival(name).timestamp() > since)
        return next(earlier, None)


LabelSubmissionsDep = Annotated[
    LabelSubmissions,
    service(lambda stores: LabelSubmissions(stores.settings, stores.redis, stores.blobs, stores.in_force)),
]
