"""Where a reader of a job's results is.

A cursor names the chunks that were read, not a position in the order of commits: a power cut can undo the last commits,
and chunks that are computed again are committed in another order. Chunks are leased in order, so the chunks read are
few ranges: `0-4_7~8.120` are chunks 0 to 4 and 7, and 120 outcomes of chunk 8.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

_LONGEST = 8192
_NUMBER = "[0-9]{1,9}"
_RANGE = f"{_NUMBER}(?:-{_NUMBER})?"
_FORM = re.compile(rf"((?:{_RANGE}(?:_{_RANGE})*)?)~(?:({_NUMBER})\.({_NUMBER}))?")
_POSITION = re.compile(rf"({_NUMBER})\.({_NUMBER})")
"""The form of earlier releases: a position in the order of commits, and the outcomes read of the chunk there."""


class CursorError(ValueError):
    """The cursor is not one that this ledger returns."""


@dataclass
class Cursor:
    """The chunks read, and how many outcomes of another one."""

    read: set[int] = field(default_factory=set)
    chunk: int | None = None
    """The chunk that is read in part."""
    offset: int = 0

    @classmethod
    def parse(cls, text: str, order: Sequence[int], chunks: int) -> Self:
        """Read a cursor.

        Args:
            order: The chunks committed so far.
            chunks: The number of the job's chunks.

        Raises:
            CursorError: `text` is not a cursor of this job.
        """
        if position := _POSITION.fullmatch(text):
            at = int(position[1])
            chunk = order[at] if at < len(order) and int(position[2]) else None
            return cls(set(order[:at]), chunk, int(position[2]) if chunk is not None else 0)
        form = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
        if form is None:
            raise not_ours(text)
        read = set[int]()
        least = 0
        for numbers in (part.split("-") for part in form[1].split("_") if part):
            first, last = int(numbers[0]), int(numbers[-1])
            if not least <= first <= last < chunks:
                raise not_ours(text)
            read.update(range(first, last + 1))
            least = last + 1
        return cls(read, int(form[2]) if form[2] else None, int(form[3] or 0))

    def rest(self, order: Sequence[int]) -> list[int]:
        """Return the committed chunks that are still to be read; the one that is read in part comes first.

        If that one is to be computed again, the others wait for it.
        """
        if self.chunk is not None and self.chunk not in order:
            return []
        rest = [chunk for chunk in order if chunk not in self.read]
        return rest if self.chunk is None else sorted(rest, key=lambda chunk: chunk != self.chunk)

    def move(self, chunk: int, offset: int, length: int) -> None:
        """Note that `offset` of the chunk's `length` outcomes are read."""
        if offset < length:
            self.chunk, self.offset = chunk, offset
        else:
            self.read.add(chunk)
            self.chunk, self.offset = None, 0

    def __str__(self) -> str:
        ranges = (f"{first}" if first == last else f"{first}-{last}" for first, last in _ranges(sorted(self.read)))
        return "_".join(ranges) + "~" + ("" if self.chunk is None else f"{self.chunk}.{self.offset}")


def _ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of each row of successive numbers."""
    first = 0
    for at, number in enumerate(numbers):
        if at + 1 == len(numbers) or numbers[at + 1] != number + 1:
            yield numbers[first], number
            first = at + 1


def not_ours(text: str) -> CursorError:
    return CursorError(f"{text[:100]!r} is not a cursor: use the one that the previous page returned")
