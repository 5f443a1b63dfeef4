"""Decides about all items of a filter, step by step, in whichever API process comes first."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from redis import Redis

from api.access.ownership import owned
from api.decisions.batch import DecidedResults
from api.decisions.bulk_schemas import BulkIn, BulkOut, ItemFilterIn
from api.decisions.index import DecisionIndex
from api.decisions.submission import kept_s
from api.dependencies import service
from api.http.problems import Problem, results_expired
from api.items.validation import ItemError
from api.labels.categories import LabelCategories
from api.lifecycle.decided import chosen
from api.lifecycle.names import Names
from api.lifecycle.times import time_of
from shared.background import Background
from shared.ledger import (
    BulkDecision,
    BulkDecisions,
    BulkState,
    ItemList,
    JobNotFoundError,
    Ledger,
    ResultsGoneError,
)
from shared.settings import Settings
from shared.stores.blobs import Blobs
from shared.stores.decisions import Decision, DecisionKind, DecisionStore
from shared.stores.labels import LabelStore
from shared.stores.taxonomy_in_force import InForce

_A_STEP = 1_000
"""Items that one step decides about, at most, and so decisions of a file."""
_PAUSE_S = 0.5
"""Seconds between two looks whether a step is due."""


class _Asked(BaseModel):
    """What was asked, as it is kept."""

    filter: ItemFilterIn
    codes: frozenset[str] | None
    """Those of the filter's category and of all below it."""
    code: str | None
    note: str | None
    by: str


class Bulk:
    def __init__(
        self, settings: Settings, redis: Redis, blobs: Blobs, in_force: InForce, background: Background
    ) -> None:
        self._background = background
        keep_s = kept_s(settings)
        self._ledger = Ledger(redis)
        self._bulks = BulkDecisions(redis, keep_s)
        self._items = ItemList(redis)
        self._in_force = in_force
        self._store = DecisionStore(settings.labels_url)
        self._index = DecisionIndex(redis, self._store, keep_s)
        self._results = DecidedResults(self._ledger, self._items, blobs)
        self._pictures = LabelStore(settings.labels_url)

    async def begin(self, asked: BulkIn, tenant: str, by: str, names: Names) -> BulkOut:
        """Accept a decision about all items of a filter; it is carried out beside the requests.

        Raises:
            Problem: the job runs, its results are gone, or the category is unknown.
            JobNotFoundError: the job is not the tenant's.
        """
        in_force = await run_in_threadpool(self._in_force.now)
        try:
            code = None
            if asked.category is not None:
                code = await LabelCategories(in_force, inner=True, pointer="/category").find(asked.category)
        except ItemError as error:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", str(error)) from None
        codes = None if asked.filter.category is None else names.branch(asked.filter.category)
        kept = _Asked(filter=asked.filter, codes=codes, code=code, note=asked.note or None, by=asked.by or by)
        return await run_in_threadpool(self._open, tenant, asked.job_id, kept, names)

    def find(self, identifier: str, tenant: str) -> BulkDecision:
        """Return one; raises `Problem` if there is none, or it is another tenant's."""
        found = self._bulks.find(identifier)
        if found is None or found.tenant != tenant:
            detail = f"There is no bulk decision {identifier[:100]!r}: it never existed, or is no longer kept."
            raise Problem(HTTPStatus.NOT_FOUND, "bulk-decision-not-found", detail)
        return found

    def undo(self, identifier: str, tenant: str) -> BulkDecision:
        """Begin to take one back; raises `Problem` if there is none, or it has not ended."""
        self.find(identifier, tenant)
        if self._bulks.undo(identifier) is BulkState.RUNNING:
            detail = f"Bulk decision {identifier} still runs: wait until its state is completed."
            raise Problem(HTTPStatus.CONFLICT, "bulk-decision-running", detail, headers={"Retry-After": "1"})
        return self.find(identifier, tenant)

    async def work(self) -> None:
        """Do the steps that are due, until cancelled."""
        while True:
            done = False
            with self._background.turn():
                done = await run_in_threadpool(self._step)
            if not done:
                await asyncio.sleep(_PAUSE_S)

    def _open(self, tenant: str, job_id: str, asked: _Asked, names: Names) -> BulkOut:
        job = owned(self._ledger, job_id, tenant)
        if job.results_gone:
            raise results_expired(job_id)
        if not job.ended:
            detail = f"Job {job_id} still runs: decide about all items of a filter when it has ended."
            raise Problem(HTTPStatus.CONFLICT, "job-running", detail, headers={"Retry-After": "5"})
        return bulk_out(self._bulks.open(tenant, job_id, asked.model_dump_json()), names)

    def _step(self) -> bool:
        """Do one step; returns whether another one may be due."""
        if (bulk := self._bulks.take()) is None:
            return False
        try:
            return self._undo_step(bulk) if bulk.state is BulkState.UNDOING else self._decide_step(bulk)
        except (JobNotFoundError, ResultsGoneError):
            problem = f"The results of job {bulk.job} are no longer kept."
            self._bulks.report(bulk, BulkState.FAILED, bulk.cursor, problem=problem)
            return True
        except BaseException:
            self._bulks.put_back(bulk)
            raise

    def _decide_step(self, bulk: BulkDecision) -> bool:
        asked, following = _Asked.model_validate_json(bulk.request), list[str | None]()

        def make() -> Sequence[Decision]:
            found, cursor = list[Decision](), bulk.cursor or None
            job, wanted = self._ledger.job(bulk.job), asked.filter.undecided(asked.codes)
            while len(found) < _A_STEP:
                page = self._items.page(job, wanted, cursor=cursor, limit=_A_STEP - len(found))
                known = {item.outcome.index: item for item in page.items}
                made = [self._made(bulk, asked, len(found) + at, index) for at, index in enumerate(known)]
                found += self._results.completed(made, known, self._pictures.put_picture)
                cursor = page.cursor
                if cursor is None:
                    break
            following.append(cursor)
            return found

        written = self._write(bulk, make)
        if written is None:
            return False
        # A step that an earlier process has written begins where it began: what is decided is not found again.
        cursor = following[0] if following else bulk.cursor
        state = BulkState.RUNNING if cursor is not None else BulkState.COMPLETED
        self._bulks.report(bulk, state, cursor or "", written[0].file if written else "", len(written))
        return True

    def _undo_step(self, bulk: BulkDecision) -> bool:
        number = int(bulk.cursor)
        if (file := self._bulks.file(bulk, number)) is None:
            self._bulks.report(bulk, BulkState.UNDONE, bulk.cursor)
            return True
        try:
            decided = [each for each in self._store.read(file) if each.decides]
        except FileNotFoundError:  # somebody has removed it
            decided = []
        written = self._write(bulk, lambda: [_undo_of(each) for each in decided])
        if written is None:
            return False
        self._bulks.report(bulk, BulkState.UNDOING, str(number + 1), decisions=len(written))
        return True

    def _write(self, bulk: BulkDecision, make: Callable[[], Sequence[Decision]]) -> list[Decision] | None:
        """Write a step's decisions, once; `None` if it has to be tried again."""
        identifier = hashlib.sha256(f"{bulk.id} {bulk.step}".encode()).hexdigest()[:24]
        written = self._index.write(bulk.tenant, identifier, make, repeatable=True)
        if written is None:
            self._bulks.put_back(bulk)
        return written

    def _made(self, bulk: BulkDecision, asked: _Asked, at: int, index: int) -> Decision:
        kind = DecisionKind.CATEGORY if asked.code is not None else DecisionKind.NONE_OF_THESE
        return Decision(
            at, kind, bulk.tenant, asked.by, bulk.job, index, code=asked.code, note=asked.note, bulk=bulk.id
        )


def _undo_of(decision: Decision) -> Decision:
    return Decision(
        decision.index,
        DecisionKind.UNDO,
        decision.tenant,
        decision.by,
        decision.job,
        decision.item_index,
        undoes=decision.place,
        identity=decision.identity,
        bulk=decision.bulk,
    )


def bulk_out(bulk: BulkDecision, names: Names) -> BulkOut:
    asked = _Asked.model_validate_json(bulk.request)
    return BulkOut(
        id=bulk.id,
        job_id=bulk.job,
        state=bulk.state.value,
        category=chosen(asked.code, names.of),
        by=asked.by,
        decided=bulk.decided,
        undone=bulk.undone,
        problem=bulk.problem or None,
        created_at=time_of(bulk.created_at),
        url=f"/v1/decisions/bulk/{bulk.id}",
    )


BulkDep = Annotated[
    Bulk,
    service(
        lambda stores: Bulk(
            stores.settings, stores.redis, stores.blobs, stores.in_force, stores.background("a decision about a filter")
        ),
        run=Bulk.work,
    ),
]
