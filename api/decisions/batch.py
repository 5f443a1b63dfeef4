"""The decisions of one request while they come in, and the results that they are about."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from pydantic import ValidationError

from api.access.ownership import owned
from api.decisions.schemas import MOST_NAMED, DecisionIn
from api.http.problems import Problem
from api.ingest import RawItem, Spool
from api.items.validation import InvalidItems, ItemError, check_members, invalid
from api.labels.categories import LabelCategories
from shared.ledger import ItemList, ItemStatus, JobNotFoundError, KnownItem, Ledger, ResultsGoneError
from shared.stores.blobs import BlobNotFoundError, Blobs
from shared.stores.decisions import Decision, DecisionKind, identity_of

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
    decisions: list[tuple[RawItem | None, Decision]] = field(default_factory=list)
    """Each without what is known of its result, before that is looked up."""
    alike: list[tuple[RawItem | None, Decision]] = field(default_factory=list)
    """Those that come with them, about other items; of near copies, which the request does not name, no raw item."""
    for_copies: list[Decision] = field(default_factory=list)
    """Those of the decisions that are also about all near copies."""
    _characters: int = 0

    async def add(self, raw: RawItem) -> None:
        """Validate a decision and keep it, or note what is wrong with it; raises `Problem` if there are too many."""
        if self.room == 0:
            raise self._too_many()
        self.total += 1
        try:
            body = _read(raw)
            decision = await self._decision(raw.index, body)
        except (ValidationError, ItemError) as error:
            self.refuse(raw, error)
            return
        raw = replace(raw, fields=None)
        self.count(decision)
        self.decisions.append((raw, decision))
        if body.copies:
            self.for_copies.append(decision)
        for at, item in enumerate(body.also[: self.room + 1]):
            named = replace(raw, pointer=f"{raw.pointer}/also/{at}")
            self.alike.append((named, like(decision, item.job_id, item.index)))
        if self.room < 0:
            raise self._too_many()

    @property
    def room(self) -> int:
        """How many more decisions the request may hold."""
        return self.most - self.total - len(self.alike)

    def _too_many(self) -> Problem:
        detail = f"A request holds at most {self.most:,} decisions: send the rest in another request."
        return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-many-decisions", detail)

    def refuse(self, raw: RawItem, error: ValidationError | ItemError) -> None:
        self.invalid.add(invalid(raw, error))

    def count(self, decision: Decision) -> None:
        """Count its texts; raises `Problem` if the request holds too much text."""
        self._characters += sum(len(text or "") for text in (decision.note, decision.title, decision.description))
        if self._characters > _TEXT_LIMIT:
            detail = f"The decisions' texts have over {_TEXT_LIMIT:,} characters: send them in several requests."
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "decisions-too-long", detail)

    async def _decision(self, index: int, body: DecisionIn) -> Decision:
        return Decision(
            index=index,
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
        alike = [(raw, replace(each, index=batch.total + at)) for at, (raw, each) in enumerate(batch.alike)]
        decisions, indices_by_job = [*batch.decisions, *alike], defaultdict[str, set[int]](set)
        for _, decision in decisions:
            indices_by_job[decision.job].add(decision.item_index)
        known = {job_id: self._known(batch.tenant, job_id, indices) for job_id, indices in indices_by_job.items()}
        batch.decisions = []
        for raw, decision in decisions:
            try:
                decision = self._with_picture(_completed(decision, known[decision.job]), spool.add)
                batch.count(decision)
            except ItemError as error:
                if raw is not None:
                    batch.refuse(raw, error)
            except Problem:  # too large together: near copies for which there is no room stay open
                if raw is not None:
                    raise
            else:
                batch.decisions.append((raw, replace(decision, right=_right(decision, batch.categories))))

    def completed(
        self, decisions: Sequence[Decision], known: dict[int, KnownItem], keep: Callable[[bytes], str]
    ) -> list[Decision]:
        """Return the decisions with the model's answers, the items, and their pictures kept.

        They do not count for the promise: nobody has looked at each item.

        Args:
            known: What is known of each item, all of which have an answer.

        Raises:
            OSError: The picture store cannot be reached.
        """
        return [self._with_picture(replace(_completed(decision, known), branch=None), keep) for decision in decisions]

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


def like(decision: Decision, job: str, index: int) -> Decision:
    """Return the same decision about another item; its position in the request is still to be given."""
    return replace(decision, like=decision.index, job=job, item_index=index, took_ms=None)


def _read(raw: RawItem) -> DecisionIn:
    """Validate what was sent; raises `ValidationError` and `ItemError`."""
    check_members(raw.fields)
    named = raw.fields.get("also") if isinstance(raw.fields, dict) else None
    for item in named[:MOST_NAMED] if isinstance(named, list) else ():
        check_members(item)
    return DecisionIn.model_validate(raw.fields)


def _completed(decision: Decision, known: dict[int, KnownItem] | ItemError) -> Decision:
    """The decision with the model's answer and, unless it was skipped, the item; raises `ItemError`."""
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
    best = outcome.of_bundle or outcome.guesses[0]
    decision = replace(
        decision,
        item=outcome.id,
        bundle=result.bundle,
        guess=best.code,
        confidence=best.confidence,
        needs_review=outcome.needs_review,
        audited=outcome.audited,
        branch=None if outcome.remembered or outcome.provisional else outcome.root,
    )
    if item is None:
        return decision
    decision = replace(decision, identity=identity_of(item))
    if not decision.decides:
        return decision
    decision = replace(decision, title=item.title, description=item.description)
    if decision.kind is DecisionKind.NONE_OF_THESE:  # explanations show such an item, and no training looks at it
        return decision
    return replace(decision, picture=item.blob, url=item.url)


def _right(decision: Decision, categories: LabelCategories) -> bool | None:
    """Whether the model's answer is right by a decision; `None` if the decision does not tell."""
    if decision.kind is DecisionKind.NONE_OF_THESE:
        return False
    if decision.code is None or decision.guess is None:
        return None
    return categories.agrees(decision.code, decision.guess)
