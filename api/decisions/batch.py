"""The decisions of one request while they come in, and the results that they are about."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from pydantic import ValidationError

from api.access.ownership import owned
from api.decisions.schemas import DecisionIn
from api.http.problems import Problem
from api.ingest import RawItem, Spool
from api.items.validation import InvalidItems, ItemError, check_members, invalid
from api.labels.categories import LabelCategories
from shared.ledger import ItemList, ItemStatus, JobNotFoundError, KnownItem, Ledger, ResultsGoneError
from shared.stores.blobs import BlobNotFoundError, Blobs
from shared.stores.decisions import Decision, DecisionKind

_TEXT_LIMIT = 16 * 1024**2
"""Characters of one request, with the texts of the items, all of which stay in memory until they are written."""


@dataclass
class DecisionBatch:
    """`add` takes a decision in; `total` counts all of them, `invalid` holds those that cannot be accepted."""

    tenant: str
    by: str
    """Who decided, where a decision does not name anybody."""
    most: int
    categories: LabelCategories
    total: int = 0
    invalid: InvalidItems = field(default_factory=InvalidItems)
    decisions: list[tuple[RawItem, Decision]] = field(default_factory=list)
    """Each without what is known of its result, before that is looked up."""
    _characters: int = 0

    async def add(self, raw: RawItem) -> None:
        """Validate a decision and keep it, or note what is wrong with it; raises `Problem` if there are too many."""
        if self.total == self.most:
            detail = f"A request holds at most {self.most:,} decisions: send the rest in another request."
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-many-decisions", detail)
        self.total += 1
        try:
            decision = await self._decision(raw)
        except (ValidationError, ItemError) as error:
            self.refuse(raw, error)
        else:
            self.count(decision)
            self.decisions.append((replace(raw, fields=None), decision))

    def refuse(self, raw: RawItem, error: ValidationError | ItemError) -> None:
        self.invalid.add(invalid(raw, error))

    def count(self, decision: Decision) -> None:
        """Count its texts; raises `Problem` if the request holds too much text."""
        self._characters += sum(len(text or "") for text in (decision.note, decision.title, decision.description))
        if self._characters > _TEXT_LIMIT:
            detail = f"The decisions' texts have over {_TEXT_LIMIT:,} characters: send them in several requests."
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "decisions-too-long", detail)

    async def _decision(self, raw: RawItem) -> Decision:
        check_members(raw.fields)
        body = DecisionIn.model_validate(raw.fields)
        return Decision(
            index=raw.index,
            kind=body.kind,
            tenant=self.tenant,
            by=body.by or self.by,
            job=body.job_id,
            item_index=body.index,
            code=None if body.category is None else await self.categories.find(body.category),
            note=body.note or None,
            took_ms=body.took_ms,
        )


class DecidedResults:
    """The results that decisions are about: what the model answered, and what it was asked."""

    def __init__(self, ledger: Ledger, items: ItemList, blobs: Blobs) -> None:
        self._ledger = ledger
        self._items = items
        self._blobs = blobs

    def complete(self, batch: DecisionBatch, spool: Spool) -> None:
        """Look up the result of each decision, and keep the pictures of items that can be learnt from.

        Decisions for which this fails become the batch's invalid ones.

        Raises:
            Problem: Texts or pictures are too large together.
            OSError: The picture store cannot be reached.
        """
        indices_by_job: dict[str, set[int]] = defaultdict(set)
        for _, decision in batch.decisions:
            indices_by_job[decision.job].add(decision.item_index)
        known = {job_id: self._known(batch.tenant, job_id, indices) for job_id, indices in indices_by_job.items()}
        complete = []
        for raw, decision in batch.decisions:
            try:
                decision = _completed(decision, known[decision.job])
            except ItemError as error:
                batch.refuse(raw, error)
            else:
                decision = self._with_picture(decision, spool.add)
                batch.count(decision)
                complete.append((raw, replace(decision, right=_right(decision, batch.categories))))
        batch.decisions = complete

    def _known(self, tenant: str, job_id: str, indices: set[int]) -> dict[int, KnownItem] | ItemError:
        """What is known of the job's items, or what is wrong with every decision that names this job."""
        try:
            job = owned(self._ledger, job_id, tenant)
            if job.results_gone:
                raise ResultsGoneError(job_id)
            return self._items.items(job, indices)
        except JobNotFoundError:
            detail = f"there is no job {job_id[:100]!r}: it never existed, or its record is no longer kept"
            return ItemError("/job_id", "job_not_found", detail)
        except ResultsGoneError:
            return ItemError("/job_id", "results_gone", f"the results of job {job_id} are no longer kept")

    def _with_picture(self, decision: Decision, keep: Callable[[bytes], str]) -> Decision:
        """The decision with its picture kept; without the item, if the picture that it had is gone."""
        if decision.picture is None:
            return decision
        try:
            keep(self._blobs.get(decision.picture))
        except BlobNotFoundError:
            return replace(decision, title=None, description=None, picture=None, url=None)
        return decision


def _completed(decision: Decision, known: dict[int, KnownItem] | ItemError) -> Decision:
    """The decision with the model's answer and, if there is something to learn, the item; raises `ItemError`."""
    if isinstance(known, ItemError):
        raise known
    result = known.get(decision.item_index)
    if result is None:
        detail = f"job {decision.job} has no item {decision.item_index}, or it is not done yet"
        raise ItemError("/index", "item_not_found", detail)
    outcome, item = result.outcome, result.item
    if outcome.status is not ItemStatus.SUCCEEDED or not outcome.guesses:
        detail = f"item {decision.item_index} of job {decision.job} has no category to decide about: {outcome.status}"
        raise ItemError("/index", "no_result", detail)
    best = outcome.guesses[0]
    decision = replace(
        decision,
        item=outcome.id,
        bundle=result.bundle,
        guess=best.code,
        confidence=best.confidence,
        needs_review=outcome.needs_review,
        audited=outcome.audited,
        branch=outcome.path[0].code if outcome.path else best.code,
    )
    if item is None or decision.kind is not DecisionKind.CATEGORY:
        return decision
    return replace(decision, title=item.title, description=item.description, picture=item.blob, url=item.url)


def _right(decision: Decision, categories: LabelCategories) -> bool | None:
    """Whether the model's answer is right by a decision; `None` if the decision does not tell."""
    if decision.kind is DecisionKind.NONE_OF_THESE:
        return False
    if decision.code is None or decision.guess is None:
        return None
    return categories.agrees(decision.code, decision.guess)
