"""Near copies of items that are decided about, and taking decisions about them back."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from api.decisions.batch import DecisionBatch, like
from shared.ledger import DecidedItems, JobNotFoundError, Ledger, ReviewQueue
from shared.stores.decisions import Decision, DecisionStore


class NearCopies:
    """Finds near copies when an item is decided about, and the decisions about them again when it is taken back."""

    def __init__(self, queue: ReviewQueue, ledger: Ledger, decided: DecidedItems, store: DecisionStore) -> None:
        self._queue = queue
        self._ledger = ledger
        self._decided = decided
        self._store = store

    def add(self, batch: DecisionBatch) -> None:
        """Add decisions about the near copies to those of the request, as far as it may hold more.

        Copies about which the request says something else keep that.
        """
        if not batch.for_copies:
            return
        named = {(decision.job, decision.item_index) for _, decision in (*batch.decisions, *batch.alike)}
        asked = [(decision.by, decision.job, decision.item_index) for decision in batch.for_copies]
        for decision, copies in zip(batch.for_copies, self._queue.copies(batch.tenant, asked), strict=True):
            rest = [copy for copy in copies if copy.place not in named]
            batch.alike += [(None, like(decision, copy.job, copy.position)) for copy in rest[: batch.room]]

    def still_open(self, named: Sequence[Decision], copies: Sequence[Decision]) -> list[Decision]:
        """Return the decisions without those about copies that somebody has decided about meanwhile."""
        by_job = defaultdict[str, list[int]](list)
        for copy in copies:
            by_job[copy.job].append(copy.item_index)
        decided = {job: self._decided_of(job, indices) for job, indices in by_job.items()}
        return [*named, *(copy for copy in copies if copy.item_index not in decided[copy.job])]

    def _decided_of(self, job: str, indices: Sequence[int]) -> set[int]:
        try:
            return {*self._decided.of(self._ledger.job(job), indices)}
        except JobNotFoundError:
            return {*indices}

    def undone(self, made: Sequence[tuple[Decision, str | None]], most: int) -> list[Decision]:
        """Return what takes decisions back, and behind it what takes those about their copies back.

        Args:
            made: What takes each decision back, numbered from 0, and the file of that decision.
            most: The largest number of all together; what is too much stays, except the first decision.

        Raises:
            OSError: The store cannot be reached.
        """
        files = {file: self._read(file) for file in {file for _, file in made if file is not None}}
        undos, copies = list[Decision](), list[Decision]()
        for undo, file in made:
            decided = [] if file is None else files[file]
            of_this = [*_with(undo, decided)]
            if of_this and undos and len(undos) + len(copies) + len(of_this) >= most:
                break
            identity = next((each.identity for each in decided if each.place == undo.undoes), None)
            undos.append(replace(undo, identity=identity))
            copies += of_this
        return [*undos, *(replace(copy, index=len(undos) + at) for at, copy in enumerate(copies))]

    def _read(self, file: str) -> list[Decision]:
        """Return a file's decisions; nothing if somebody has removed it."""
        try:
            return self._store.read(file)
        except FileNotFoundError:
            return []


def _with(undo: Decision, file: Sequence[Decision]) -> Iterator[Decision]:
    """Yield what takes the decisions back that came with the one that is taken back."""
    for each in file:
        if each.decides and each.like_place == undo.undoes:
            of_copy = replace(undo, job=each.job, item_index=each.item_index, identity=each.identity)
            yield replace(of_copy, undoes=each.place, like=undo.index)
