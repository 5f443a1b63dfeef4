"""What the items of a job are chosen and ordered by: nine bytes an item, kept beside the packed outcomes.

A page of items that need a review, out of 100,000, reads these. To unpack all outcomes would take over a second.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from struct import Struct
from typing import Self

from shared.ledger.records import Outcome
from shared.ledger.states import ItemStatus

_ROW = Struct("<IHHB")
"""An item's index, the number of its category, its confidence in ten thousandths, and its flags."""
_STATUSES = (
    ItemStatus.SUCCEEDED,
    ItemStatus.FAILED,
    ItemStatus.INVALID,
    ItemStatus.CANCELLED,
    ItemStatus.EXPIRED,
)
"""The number of a status, in the lowest bits of the flags, is its place here: add new ones at the end."""
STATUS_BITS, NEEDS_REVIEW, BRANCHES_DISAGREE, AUDITED = 0b111, 0b1000, 0b10000, 0b100000
NO_CATEGORY = 0xFFFF
NO_CONFIDENCE = 0xFFFF
"""Above all confidences, so that items without an answer come behind those with one."""
_SCALE = 10_000

FacetRow = tuple[int, int, int, int]
"""Index, number of the category, confidence and flags."""


@dataclass(frozen=True)
class Facets:
    """The facets of a chunk."""

    bundle: str
    """The bundle that answered; "" for none."""
    codes: Sequence[str]
    """The categories by their numbers."""
    packed: bytes

    @classmethod
    def of(cls, bundle: str, outcomes: Sequence[Outcome]) -> Self:
        numbers: dict[str, int] = {}
        packed = b"".join([_ROW.pack(*_row(outcome, numbers)) for outcome in outcomes])
        return cls(bundle, list(numbers), packed)

    @classmethod
    def read(cls, content: bytes) -> Self:
        head, _, rows = content.partition(b"\n")
        bundle, codes = json.loads(head)
        return cls(bundle, codes, rows)

    def write(self) -> bytes:
        # JSON has no line break in it.
        return json.dumps([self.bundle, list(self.codes)], separators=(",", ":")).encode() + b"\n" + self.packed

    def rows(self) -> Iterator[FacetRow]:
        return _ROW.iter_unpack(self.packed)

    def may_have(self, index: int) -> bool:
        """Whether the item may be among these, which are in the order of their indexes; costs no look at each."""
        if not self.packed:
            return False
        first, last = (_ROW.unpack_from(self.packed, at)[0] for at in (0, len(self.packed) - _ROW.size))
        return bool(first <= index <= last)

    @cached_property
    def indices(self) -> frozenset[int]:
        """The positions of its items in the request."""
        return frozenset(row[0] for row in self.rows())


def status_number(status: ItemStatus) -> int:
    return _STATUSES.index(status)


def scaled(confidence: float) -> int:
    """Return a confidence as rows have it."""
    return round(confidence * _SCALE)


def _row(outcome: Outcome, numbers: dict[str, int]) -> FacetRow:
    flags = status_number(outcome.status)
    if not outcome.guesses:  # it has not succeeded, or is a training's
        return outcome.index, NO_CATEGORY, NO_CONFIDENCE, flags
    best, text, image = outcome.guesses[0], outcome.text, outcome.image
    if outcome.to_review:
        flags |= NEEDS_REVIEW
    if outcome.audited:
        flags |= AUDITED
    if text is not None and image is not None and text.code != image.code:
        flags |= BRANCHES_DISAGREE
    return outcome.index, numbers.setdefault(best.code, len(numbers)), scaled(best.confidence), flags
