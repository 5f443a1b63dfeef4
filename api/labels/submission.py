"""Accept labels: all of a request or none, and each for a training to learn from."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from http import HTTPStatus
from itertools import islice
from typing import Annotated, Any

from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError
from redis import Redis

from api.dependencies import service
from api.http.problems import Problem, invalid_request
from api.ingest import Intake, RawItem
from api.items.images import kept_picture
from api.items.validation import Invalid, ItemError, check_valid, error_entries, invalid
from api.labels.index import LabelCounts, LabelIndex
from api.labels.schemas import LabelIn, LabelOptions, LabelsOut
from shared.drift import Drift
from shared.ledger import (
    Claim,
    Idempotency,
    JobNotFoundError,
    KnownItem,
    Ledger,
    Results,
    ResultsGoneError,
)
from shared.settings import Settings
from shared.stores.blobs import BlobNotFoundError, Blobs
from shared.stores.labels import Label, LabelKind, LabelStore, arrival

_SHOWN_ERRORS = 100
_TEXT_LIMIT = 64 * 1024**2
"""Characters of one request, which are in memory until all of it is known to be right."""

_CLOCKS_APART_S = 60
"""By so much a caller's clock may be fast."""

_SEND_THE_ITEM = "send the item itself (title, description, image) instead of job_id and item_id"


@dataclass
class _Draft:
    """A request's labels while they come in."""

    tenant: str
    by: str
    now: float
    total: int = 0
    text: int = 0
    invalid: list[Invalid] = field(default_factory=list)
    labels: list[tuple[RawItem, Label]] = field(default_factory=list)
    """Of those that name a result, the item and the kind are still to be looked up."""
    days: dict[str, date] = field(default_factory=dict)
    """On which each job was worked on."""

    def refuse(self, raw: RawItem, error: "ValidationError | ItemError") -> None:
        self.invalid.append(invalid(raw, error))


class LabelSubmissions:
    def __init__(self, settings: Settings, redis: Redis, blobs: Blobs) -> None:
        self._settings = settings
        self._blobs = blobs
        self._drift = Drift(redis, settings.keep_drift_days)
        self._ledger = Ledger(redis)
        self._results = Results(redis)
        self._idempotency = Idempotency(redis)
        self._store = LabelStore(settings.labels_url)
        self._index = LabelIndex(redis, self._store)

    async def accept(self, intake: Intake, tenant: str, by: str, claim: Claim | None = None) -> LabelsOut:
        """Check every label, then keep them.

        Args:
            by: Who says it, where a label does not.
            claim: The request's idempotency key; it has this answer from now on.

        Raises:
            Problem: a label is wrong (each is named) and none may be skipped; there is none, or there are too many.
            OSError: they cannot be kept.
        """
        _options(intake.options)  # of the query: a long body need not be read for this
        draft = _Draft(tenant, by, await run_in_threadpool(self._ledger.now))
        async for raw in intake.items:
            await self._add(draft, raw)
        options = _options(intake.options)
        await run_in_threadpool(self._look_up, draft)
        check_valid(draft.total, draft.invalid, options.on_invalid, "labels")
        return await run_in_threadpool(self._keep, draft, claim, intake.fingerprint() if claim else "")

    def counts(self) -> LabelCounts:
        return self._index.counts()

    async def _add(self, draft: _Draft, raw: RawItem) -> None:
        if draft.total == self._settings.max_labels:
            detail = f"A request takes at most {self._settings.max_labels:,} labels: send the rest in another one."
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-many-labels", detail)
        draft.total += 1
        try:
            given = LabelIn.model_validate(raw.fields)
            at = datetime.fromtimestamp(draft.now, UTC) if given.at is None else given.at.astimezone(UTC)
            if at.timestamp() > draft.now + _CLOCKS_APART_S:
                raise ItemError("/at", "in_the_future", f"{at.isoformat()} is yet to come: here it is {_now(draft)}")
            label = Label(
                index=raw.index,
                code=given.code,
                by=given.by or draft.by,
                at=min(at, datetime.fromtimestamp(draft.now, UTC)),
                tenant=draft.tenant,
                title=given.title,
                description=given.description,
                picture=await kept_picture(given.image, {}, self._settings, self._blobs),
                url=str(given.image.url) if given.image is not None and given.image.url is not None else None,
                job=given.job_id,
                item=given.item_id,
            )
            if label.job is None:
                _check_content(label)
        except (ValidationError, ItemError) as error:
            draft.refuse(raw, error)
        else:
            draft.text += len(label.title or "") + len(label.description or "")
            if draft.text > _TEXT_LIMIT:
                detail = f"The labels' texts have over {_TEXT_LIMIT:,} characters: send them in several requests."
                raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "labels-too-long", detail)
            draft.labels.append((raw, label))

    def _look_up(self, draft: _Draft) -> None:
        """Each label's item, where it names a result; and its picture, into the label store."""
        wanted: dict[str, set[str]] = defaultdict(set)
        for _, label in draft.labels:
            if label.job is not None and label.item is not None:
                wanted[label.job].add(label.item)
        known = {job: self._known(draft, job, ids) for job, ids in wanted.items()}
        complete = []
        for raw, label in draft.labels:
            try:
                if label.job is not None:
                    label = _completed(label, known[label.job])
                    _check_content(label)
                self._keep_picture(label)
            except ItemError as error:
                draft.refuse(raw, error)
            else:
                complete.append((raw, label))
        draft.labels = complete
        draft.invalid.sort(key=lambda wrong: wrong.index)

    def _known(self, draft: _Draft, job_id: str, ids: set[str]) -> "dict[str, KnownItem] | ItemError":
        """What there is of the job's items, or what is wrong with each label that names one."""
        try:
            job = self._ledger.job(job_id)
            if job.tenant != draft.tenant:  # it is as unknown as one that never was
                raise JobNotFoundError(job_id)
            if job.results_gone:
                raise ResultsGoneError(job_id)
            draft.days[job_id] = datetime.fromtimestamp(job.started_at or job.created_at, UTC).date()
            return self._results.known(job, ids)
        except JobNotFoundError:
            detail = f"there is no job {job_id[:100]!r}: it never was, or is long over; {_SEND_THE_ITEM}"
            return ItemError("/job_id", "job_not_found", detail)
        except ResultsGoneError:
            detail = f"the results of job {job_id} were kept as long as promised: {_SEND_THE_ITEM}"
            return ItemError("/job_id", "input_gone", detail)

    def _keep_picture(self, label: Label) -> None:
        if label.picture is None:
            return
        try:
            self._store.put_picture(self._blobs.get(label.picture))
        except BlobNotFoundError:
            pointer = "/image" if label.job is None else "/item_id"
            detail = f"its picture is no longer kept: {_SEND_THE_ITEM}"
            raise ItemError(pointer, "input_gone", detail) from None

    def _keep(self, draft: _Draft, claim: Claim | None, fingerprint: str) -> LabelsOut:
        names = self._index.catch_up()
        if claim is not None and not self._idempotency.renew(claim):
            detail = "Another request with this Idempotency-Key has taken over: ask again with the same key."
            raise Problem(HTTPStatus.CONFLICT, "idempotency-key-in-use", detail, headers={"Retry-After": "1"})
        labels = [label for _, label in draft.labels]
        identifier = Ledger.new_id() if claim is None else _identifier(claim, fingerprint)
        name = self._accepted_before(names, identifier)
        if name is None:
            name = LabelStore.name(self._ledger.now(), identifier)
            self._store.append(name, labels)
            self._tell_drift(labels, draft.days)
        kinds = [label.kind for label in labels]
        out = LabelsOut(
            id=name.removesuffix(".ndjson"),
            accepted=len(labels),
            corrections=kinds.count(LabelKind.CORRECTION),
            confirmations=kinds.count(LabelKind.CONFIRMATION),
            conflicts=self._index.add(name, labels),
            invalid=len(draft.invalid),
            errors=list(islice(error_entries(draft.invalid), _SHOWN_ERRORS)),
        )
        if claim is not None:
            self._idempotency.settle(claim, out.model_dump_json(), fingerprint, self._settings.keep_idempotency_s)
        return out

    def _tell_drift(self, labels: list[Label], days: Mapping[str, date]) -> None:
        """Which answers were right: what the estimate of accuracy without labels is held against."""
        for label in labels:
            if label.kind and label.job and label.bundle and label.confidence is not None:
                right = label.kind is LabelKind.CONFIRMATION
                self._drift.label(label.bundle, days[label.job], label.confidence, right)

    def _accepted_before(self, names: list[str], identifier: str) -> str | None:
        """The file that this very request wrote before its process died without an answer."""
        since = self._ledger.now() - self._settings.keep_idempotency_s
        found = (name for name in names if identifier in name and arrival(name).timestamp() > since)
        return next(found, None)


LabelSubmissionsDep = Annotated[
    LabelSubmissions, service(lambda stores: LabelSubmissions(stores.settings, stores.redis, stores.blobs))
]


def _completed(label: Label, known: "dict[str, KnownItem] | ItemError") -> Label:
    """With what was sent as the item that it names, and what the model had said; raises `ItemError`."""
    if isinstance(known, ItemError):
        raise known
    found = known.get(label.item or "")
    if found is None:
        detail = f"job {label.job} has no result for an item {label.item!r} (yet)"
        raise ItemError("/item_id", "item_not_found", detail)
    item = found.item
    if item is None:
        detail = f"what was sent as item {label.item!r} of job {label.job} is not kept: {_SEND_THE_ITEM}"
        raise ItemError("/item_id", "input_gone", detail)
    label = replace(label, title=item.title, description=item.description, picture=item.blob, url=item.url)
    if not found.outcome.guesses:
        return label
    guess = found.outcome.guesses[0]
    kind = LabelKind.CONFIRMATION if guess.code == label.code else LabelKind.CORRECTION
    return replace(label, kind=kind, bundle=found.bundle, guess=guess.code, confidence=guess.confidence)


def _check_content(label: Label) -> None:
    """Raises `ItemError` where a model could not tell the item from any other."""
    if label.identity is None:
        detail = "neither a word nor a picture's bytes are there to learn from"
        if label.url is not None:
            detail += ": what an URL leads to is not fetched for a label, so send the picture in base64"
        raise ItemError("", "nothing_to_learn", detail)


def _options(given: dict[str, Any]) -> LabelOptions:
    try:
        return LabelOptions.model_validate({name: value for name, value in given.items() if value != ""})
    except ValidationError as error:
        raise invalid_request(error.errors()) from None


def _identifier(claim: Claim, fingerprint: str) -> str:
    """The same for the same request with the same key."""
    return hashlib.sha256(f"{claim.key} {fingerprint}".encode()).hexdigest()[:24]


def _now(draft: _Draft) -> str:
    return datetime.fromtimestamp(draft.now, UTC).isoformat(timespec="seconds")
