"""Labels that name a result: its item, what the model answered, and the picture."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime

from api.items.validation import ItemError
from api.labels.batch import LabelBatch, check_content
from api.labels.categories import LabelCategories
from shared.ledger import JobNotFoundError, KnownItem, Ledger, Results, ResultsGoneError
from shared.stores.blobs import BlobNotFoundError, Blobs
from shared.stores.labels import Label, LabelKind

_SEND_THE_ITEM = "send the item itself (title, description, image) instead of job_id and item_id"


class ResultLookup:
    def __init__(self, ledger: Ledger, results: Results, blobs: Blobs) -> None:
        self._ledger = ledger
        self._results = results
        self._blobs = blobs

    def complete(self, batch: LabelBatch) -> None:
        """Look up the item of each label that names a result, and keep its picture beside the others.

        Labels for which this fails become the batch's invalid ones.
        """
        item_ids_by_job: dict[str, set[str]] = defaultdict(set)
        for _, label in batch.labels:
            if label.job is not None and label.item is not None:
                item_ids_by_job[label.job].add(label.item)
        known = {job_id: self._known(batch, job_id, item_ids) for job_id, item_ids in item_ids_by_job.items()}
        complete = []
        for raw, label in batch.labels:
            try:
                if label.job is not None:
                    label = _completed(label, known[label.job], batch.categories)
                    check_content(label)
                self._keep_picture(label, batch)
            except ItemError as error:
                batch.refuse(raw, error)
            else:
                complete.append((raw, label))
        batch.labels = complete

    def _known(self, batch: LabelBatch, job_id: str, item_ids: set[str]) -> dict[str, KnownItem] | ItemError:
        """What is known of the job's items, or what is wrong with every label that names this job."""
        try:
            job = self._ledger.job(job_id)
            if job.tenant != batch.tenant:  # another tenant's job must look as if it did not exist
                raise JobNotFoundError(job_id)
            if job.results_gone:
                raise ResultsGoneError(job_id)
            batch.days[job_id] = datetime.fromtimestamp(job.started_at or job.created_at, UTC).date()
            return self._results.known(job, item_ids)
        except JobNotFoundError:
            detail = (
                f"there is no job {job_id[:100]!r}: it never existed, or its record is no longer kept; {_SEND_THE_ITEM}"
            )
            return ItemError("/job_id", "job_not_found", detail)
        except ResultsGoneError:
            detail = f"the results of job {job_id} are no longer kept: {_SEND_THE_ITEM}"
            return ItemError("/job_id", "input_gone", detail)

    def _keep_picture(self, label: Label, batch: LabelBatch) -> None:
        """Raise `ItemError` if the picture of the result that the label names is no longer there."""
        if label.picture is None or label.job is None:
            return
        try:
            batch.spool.add(self._blobs.get(label.picture))
        except BlobNotFoundError:
            raise ItemError("/item_id", "input_gone", f"its picture is no longer kept: {_SEND_THE_ITEM}") from None


def _completed(label: Label, known: dict[str, KnownItem] | ItemError, categories: LabelCategories) -> Label:
    """The label with its item's input and the model's answer; raises `ItemError`."""
    if isinstance(known, ItemError):
        raise known
    result = known.get(label.item or "")
    if result is None:
        detail = f"job {label.job} has no result for an item {label.item!r} (yet)"
        raise ItemError("/item_id", "item_not_found", detail)
    item = result.item
    if item is None:
        detail = f"the input of item {label.item!r} of job {label.job} is not kept: {_SEND_THE_ITEM}"
        raise ItemError("/item_id", "input_gone", detail)
    label = replace(label, title=item.title, description=item.description, picture=item.blob, url=item.url)
    guess = result.outcome.of_bundle
    if guess is None:
        return label
    kind = LabelKind.CONFIRMATION if categories.same(guess.code, label.code) else LabelKind.CORRECTION
    return replace(label, kind=kind, bundle=result.bundle, guess=guess.code, confidence=guess.confidence)
