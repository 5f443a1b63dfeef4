"""The orders in which a job's items are read page by page, each with cursors of its own.

A page neither misses nor repeats an item: each order looks only at items that keep their places in it while the job
goes on.
"""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Protocol, Self

from shared.ledger.chunks import Chunks, missing
from shared.ledger.cursor import Cursor, not_ours
from shared.ledger.facets import FacetRow
from shared.ledger.records import Job


class ItemOrder(StrEnum):
    SENT = "sent"
    """The order of the request. While the job runs, pages go no further than to the first item without an outcome."""
    COMMITTED = "committed"
    """The order in which they were finished, chunk by chunk."""
    LEAST_SURE = "least_sure"
    """By confidence, the lowest first; those without an answer last. Of the items that were finished when the first
    page was read."""


Place = tuple[int, int, int, int]
"""Where an item is: two numbers that order it, its chunk, and its position in the request.

A plain tuple, because there is one for every item that fits: named ones take five times as long.
"""


class OrderedItems(Protocol):
    """The part of a job that is looked at in one order, behind the place of a cursor."""

    chunks: Sequence[int]
    """The chunks to look at."""

    def places(self, chunk: int, rows: Iterable[tuple[int, FacetRow]]) -> list[Place]:
        """Return the places of a chunk's rows, given with their positions in the chunk, that lie behind the cursor."""
        ...

    def after(self, place: Place) -> str:
        """Return the cursor behind this place."""
        ...

    def end(self) -> str | None:
        """Return the cursor behind everything that there is now; `None` if nothing will follow it."""
        ...


def ordered(order: ItemOrder, cursor: str | None, job: Job, chunks: Chunks) -> OrderedItems:
    """Return what of the job is to be looked at.

    Raises:
        CursorError: `cursor` is not one that this order returns.
        ResultsGoneError: The results have expired.
    """
    committed = chunks.order(job)
    kind, _, text = (cursor or f"{order}~").partition("~")
    if kind != order:
        raise not_ours(cursor or "")
    if order is ItemOrder.SENT:
        return _Sent.behind(text, job, chunks, committed)
    if order is ItemOrder.COMMITTED:
        return _Committed.behind(text, job, committed)
    return _LeastSure.behind(text, job, committed)


class _Sent:
    def __init__(self, after: int, chunks: Sequence[int], frontier: int, *, ended: bool) -> None:
        self.chunks = chunks
        self._after = after
        self._frontier = frontier
        """The least index of an item without an outcome."""
        self._ended = ended

    @classmethod
    def behind(cls, text: str, job: Job, chunks: Chunks, committed: Sequence[int]) -> Self:
        if not re.fullmatch("[0-9]{0,9}", text):
            raise not_ours(text)
        first_missing = missing(committed, job.chunks)
        frontier = job.total if first_missing is None else chunks.first_index(job, first_missing)
        return cls(int(text or 0), committed, frontier, ended=first_missing is None)

    def places(self, chunk: int, rows: Iterable[tuple[int, FacetRow]]) -> list[Place]:
        after, frontier = self._after, self._frontier
        return [(row[0], 0, chunk, row[0]) for _, row in rows if after <= row[0] < frontier]

    def after(self, place: Place) -> str:
        return f"{ItemOrder.SENT}~{place[0] + 1}"

    def end(self) -> str | None:
        return None if self._ended else f"{ItemOrder.SENT}~{max(self._after, self._frontier)}"


class _Committed:
    def __init__(self, at: Cursor, chunks: Sequence[int], *, ended: bool) -> None:
        self.chunks = chunks
        self._at = at
        self._turns = {chunk: turn for turn, chunk in enumerate(chunks)}
        self._ended = ended

    @classmethod
    def behind(cls, text: str, job: Job, committed: Sequence[int]) -> Self:
        at = Cursor.parse(text or "~", committed, job.chunks)
        return cls(at, at.rest(committed), ended=job.ended)

    def places(self, chunk: int, rows: Iterable[tuple[int, FacetRow]]) -> list[Place]:
        turn, first = self._turns[chunk], self._at.offset if chunk == self._at.chunk else 0
        return [(turn, position, chunk, row[0]) for position, row in rows if position >= first]

    def after(self, place: Place) -> str:
        turn, position, chunk, _ = place
        return self._behind(turn, chunk, position + 1)

    def end(self) -> str | None:
        return None if self._ended else self._behind(len(self.chunks), None, 0)

    def _behind(self, turn: int, chunk: int | None, offset: int) -> str:
        return f"{ItemOrder.COMMITTED}~{Cursor(self._at.read | set(self.chunks[:turn]), chunk, offset)}"


class _LeastSure:
    def __init__(self, after: tuple[int, int], chunks: Sequence[int]) -> None:
        self.chunks = chunks
        self._after = after

    @classmethod
    def behind(cls, text: str, job: Job, committed: Sequence[int]) -> Self:
        if not text:
            return cls((-1, -1), committed)
        form = re.fullmatch(r"([0-9]{1,5})\.([0-9]{1,9})~(.*~)", text)
        if form is None:
            raise not_ours(text)
        looked_at = Cursor.parse(form[3], committed, job.chunks).read
        return cls((int(form[1]), int(form[2])), [chunk for chunk in committed if chunk in looked_at])

    def places(self, chunk: int, rows: Iterable[tuple[int, FacetRow]]) -> list[Place]:
        after = self._after
        return [(row[2], row[0], chunk, row[0]) for _, row in rows if (row[2], row[0]) > after]

    def after(self, place: Place) -> str:
        confidence, index, *_ = place
        return f"{ItemOrder.LEAST_SURE}~{confidence}.{index}~{Cursor(set(self.chunks))}"

    def end(self) -> str | None:
        return None
