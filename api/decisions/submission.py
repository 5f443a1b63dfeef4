"""Accepts decisions, all of a request or none of them, and takes them back."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi.concurrency import run_in_threadpool
from redis import Redis

from api.decisions.batch import DecidedResults, DecisionBatch
from api.decisions.copies import NearCopies
from api.decisions.index import DecisionIndex
from api.decisions.schemas import DecisionsOut, UndoneDecisionOut, UndoneOut
from api.dependencies import service
from api.http.idempotency import identifier_of
from api.http.problems import Problem
from api.ingest import Intake
from api.labels.categories import LabelCategories
from api.lifecycle.decided import DecidedOut, decided_out
from api.lifecycle.names import Names
from shared.background import Background
from shared.ledger import (
    KEEP_ANSWERS_S,
    MAX_DEADLINE_S,
    Claim,
    DecidedItems,
    Decisions,
    Idempotency,
    ItemList,
    JobNotFoundError,
    Ledger,
    ReviewQueue,
    ToldDecision,
)
from shared.settings import Settings
from shared.stores.blobs import Blobs
from shared.stores.decisions import Decision, DecisionKind, DecisionStore
from shared.stores.labels import LabelStore
from shared.stores.taxonomy_in_force import InForce

_LOOK_S = 30
"""Seconds after which it is looked at whether the index is there."""
_PATIENCE_S, _PAUSE_S = 10.0, 0.02
"""How long a request waits for its turn, and for how long until it looks again."""
_READERS_PATIENCE_S = 1.0
"""The same for a request that reads, which holds a thread: as a rule the index is made within that time."""
_KEPT_S = 30 * 24 * 3600
"""For how long, at least, decisions are told and can be undone."""


def kept_s(settings: Settings) -> int:
    """Return for how many seconds decisions are told and can be undone: at least while there are results."""
    return max(_KEPT_S, MAX_DEADLINE_S + settings.keep_results_s)


class DecisionSubmissions:
    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        blobs: Blobs,
        in_force: InForce,
        review: ReviewQueue,
        background: Background,
    ) -> None:
        self._settings = settings
        self._background = background
        self._in_force = in_force
        self._ledger = Ledger(redis)
        self._idempotency = Idempotency(redis)
        self._pictures = LabelStore(settings.labels_url)
        keep_s = kept_s(settings)
        self._decisions = Decisions(redis, keep_s)
        store = DecisionStore(settings.labels_url)
        self._index = DecisionIndex(redis, store, keep_s)
        self._results = DecidedResults(self._ledger, ItemList(redis), blobs)
        self._decided = DecidedItems(redis)
        self._copies = NearCopies(review, self._ledger, self._decided, store)

    async def accept(self, intake: Intake, tenant: str, by: str, claim: Claim | None = None) -> DecisionsOut:
        """Validate every decision, then store and apply them.

        Args:
            by: Who decided, where a decision does not name anybody.
            claim: The request's idempotency key, which leads to this answer from then on.

        Raises:
            Problem: a decision is invalid (each is named), or there are none or too many.
            OSError: they cannot be stored.
        """
        in_force = await run_in_threadpool(self._in_force.now)
        categories = LabelCategories(in_force, inner=True, pointer="/category")
        batch = DecisionBatch(tenant, by, self._settings.max_labels, categories)
        async for raw in intake.items:
            await batch.add(raw)
        await run_in_threadpool(self._copies.add, batch)
        await run_in_threadpool(self._results.complete, batch, intake.spool)
        batch.invalid.check(batch.total + len(batch.alike), None, "decisions")
        decisions = [decision for _, decision in batch.decisions]
        named = [decision for raw, decision in batch.decisions if raw is not None]
        copies = [decision for raw, decision in batch.decisions if raw is None]
        pictures = {decision.picture for decision in decisions if decision.picture}
        await intake.spool.store(pictures, self._pictures.put_picture)
        fingerprint = intake.fingerprint() if claim else ""
        written = await self._write(tenant, claim, fingerprint, partial(self._copies.still_open, named, copies))
        skipped = sum(not decision.decides for decision in written)
        out = DecisionsOut(
            id=written[0].file.removesuffix(".ndjson"),
            accepted=len(written),
            decided=len(written) - skipped,
            skipped=skipped,
            copies=sum(decision.like is not None for decision in written),
        )
        await self._settle(claim, out.model_dump_json(), fingerprint)
        return out

    async def undo(
        self, tenant: str, by: str, count: int, names: Names, claim: Claim | None = None, fingerprint: str = ""
    ) -> UndoneOut:
        """Take back a person's last decisions.

        Raises:
            OSError: this cannot be stored.
        """

        def undone() -> list[Decision]:
            found = self._decisions.undoable(tenant, by, count)
            made = [
                (Decision(index, DecisionKind.UNDO, tenant, by, one.job, one.index, undoes=one.place), one.file)
                for index, one in enumerate(found)
            ]
            return self._copies.undone(made, self._settings.max_labels)

        written = await self._write(tenant, claim, fingerprint, undone)
        out = await run_in_threadpool(self._undone, written, names)
        await self._settle(claim, out.model_dump_json(), fingerprint)
        return out

    async def keep_index(self) -> None:
        """Make the index again whenever Redis has lost it, until cancelled: workers answer from it, too."""
        while True:
            with self._background.turn():
                await run_in_threadpool(self._index.catch_up)
            await asyncio.sleep(_LOOK_S)

    def page(self, tenant: str, since: str | None, limit: int) -> list[ToldDecision]:
        """Return the tenant's decisions after the cursor; raises as `Decisions.page` does, `Problem` and `OSError`."""
        self.catch_up()
        return self._decisions.page(tenant, since, limit)

    def catch_up(self) -> None:
        """Make sure that Redis knows all decisions; raises `Problem` while it is told of them, and `OSError`."""
        until = time.monotonic() + _READERS_PATIENCE_S
        while not self._index.catch_up():
            if time.monotonic() > until:
                raise _busy("The index of decisions is being made again: send this request again in a second.")
            time.sleep(_PAUSE_S)

    def last_seen(self, tenant: str, by: str) -> set[tuple[str, int]]:
        """Return the items, by job and index, of a person's last decisions that were not taken back."""
        return {(one.job, one.index) for one in self._decisions.undoable(tenant, by, Decisions.UNDOABLE)}

    async def _write(
        self, tenant: str, claim: Claim | None, fingerprint: str, make: Callable[[], Sequence[Decision]]
    ) -> list[Decision]:
        identifier = await run_in_threadpool(identifier_of, self._idempotency, claim, fingerprint)
        until = time.monotonic() + _PATIENCE_S
        # Each attempt is one call in a thread: a caller who goes away leaves no turn that nobody gives back.
        while (written := await run_in_threadpool(self._attempt, tenant, identifier, make, claim)) is None:
            if time.monotonic() > until:
                raise _busy("Other requests of your tenant are writing decisions: send this one again in a second.")
            await asyncio.sleep(_PAUSE_S)
        return written

    def _attempt(
        self, tenant: str, identifier: str, make: Callable[[], Sequence[Decision]], claim: Claim | None
    ) -> list[Decision] | None:
        return self._index.write(tenant, identifier, make, repeatable=claim is not None)

    async def _settle(self, claim: Claim | None, answer: str, fingerprint: str) -> None:
        if claim is not None:
            await run_in_threadpool(self._idempotency.settle, claim, answer, fingerprint, KEEP_ANSWERS_S)

    def _undone(self, written: Sequence[Decision], names: Names) -> UndoneOut:
        copies = Counter(decision.like for decision in written)
        return UndoneOut(
            undone=[
                UndoneDecisionOut(
                    id=decision.undoes or "",
                    job_id=decision.job,
                    index=decision.item_index,
                    decision=self._now(decision, names),
                    copies=copies[decision.index],
                )
                for decision in written
                if decision.like is None
            ]
        )

    def _now(self, undo: Decision, names: Names) -> DecidedOut | None:
        """The decision that is in force after an undo."""
        try:
            decided = self._decided.of(self._ledger.job(undo.job), [undo.item_index])
        except JobNotFoundError:
            return None
        return decided_out(decided[undo.item_index], names.of) if undo.item_index in decided else None


DecisionSubmissionsDep = Annotated[
    DecisionSubmissions,
    service(
        lambda stores: DecisionSubmissions(
            stores.settings,
            stores.redis,
            stores.blobs,
            stores.in_force,
            stores.review,
            stores.background("the index of decisions"),
        ),
        run=DecisionSubmissions.keep_index,
    ),
]


def _busy(detail: str) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "decisions-busy", detail, headers={"Retry-After": "1"})
