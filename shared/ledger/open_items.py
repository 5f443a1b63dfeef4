"""The items of a job that need a look, in few bytes: how sure the model was of each, and what near copies share.

A worker keeps 20 bytes for each of them beside the results, 28 where it has seen pictures (`pack_likeness`). Of these
and the facets a reader makes 36 bytes an item (`ItemsToReview`), which stay true for as long as no more items of the
job come to need a look.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from struct import Struct
from threading import Lock
from typing import Self

from shared.ledger.facets import AUDITED, NEEDS_REVIEW, Facets
from shared.ledger.records import Outcome, QueuedItem
from shared.likeness import picture_key, same_picture_key, text_key

_KEYS = Struct("<IQQ")
"""An item's index, the key that it shares with its variants, and its picture's; 0 for none."""
_LOOK = Struct("<Q")
"""What the picture looks like; 0 where that is not known."""
_ROW = Struct(">HIIHQQQ")
"""The confidence in ten thousandths, the index, the chunk, the number of the category, the two keys, and the look.

The highest byte comes first, so that rows are ordered as their bytes are, which takes half the time.
"""
_CACHED = 1_000_000
"""Items that a process keeps of all jobs together: 36 MB."""

ReviewRow = tuple[int, int, int, int, int, int, int]
"""A row of `ItemsToReview`: a plain tuple, because there may be a hundred thousand."""


def pack_likeness(items: Sequence[QueuedItem], outcomes: Sequence[Outcome]) -> bytes:
    """Pack the keys of a chunk's items that need a look, in their order, and behind them their looks if any is known.

    There is nothing if no item needs a look.

    Args:
        outcomes: One per item, in any order.
    """
    unsure = {outcome.index: outcome for outcome in outcomes if outcome.to_review and outcome.guesses}
    found = [(item, unsure[item.index]) for item in items if item.index in unsure]
    packed = b"".join([_KEYS.pack(item.index, *_keys(item, outcome)) for item, outcome in found])
    if any(outcome.look for _, outcome in found):
        packed += b"".join([_LOOK.pack(outcome.look) for _, outcome in found])
    return packed


def _keys(item: QueuedItem, outcome: Outcome) -> tuple[int, int]:
    text, picture = text_key(item.title, item.description), picture_key(item.blob, item.url)
    if picture and not text:
        text = same_picture_key(picture, outcome.guesses[0].code)
    return text, picture


@dataclass(frozen=True, slots=True)
class ItemsToReview:
    """A job's items that need a look, decided or not, the least sure first."""

    codes: Sequence[str]
    """The categories by their numbers."""
    packed: bytes

    @classmethod
    def of(cls, facets: Mapping[int, Facets], likeness: Mapping[int, bytes]) -> Self:
        """Make them of what is kept of each chunk; of an older release's chunk there is no likeness."""
        numbers: dict[str, int] = {}
        rows = list[bytes]()
        for chunk, each in facets.items():
            unsure = [row for row in each.rows() if row[3] & NEEDS_REVIEW]
            kept, end = likeness.get(chunk), _KEYS.size * len(unsure)
            keys = _KEYS.iter_unpack(kept[:end]) if kept else repeat((0, 0, 0), len(unsure))
            looks = _LOOK.iter_unpack(kept[end:]) if kept and len(kept) > end else repeat((0,), len(unsure))
            own = [numbers.setdefault(code, len(numbers)) for code in each.codes]
            rows += [
                _ROW.pack(
                    _spread(index) if flags & AUDITED else confidence, index, chunk, own[number], text, picture, look
                )
                for (index, number, confidence, flags), (_, text, picture), (look,) in zip(
                    unsure, keys, looks, strict=True
                )
            ]
        rows.sort()
        return cls(list(numbers), b"".join(rows))

    def __len__(self) -> int:
        return len(self.packed) // _ROW.size

    def rows(self) -> Iterator[ReviewRow]:
        return _ROW.iter_unpack(self.packed)


def _spread(index: int) -> int:
    """Return a made-up confidence for an audited item: with its own it would wait behind all others."""
    return index * 2_654_435_761 % 2**32 * 10_000 >> 32  # multiplicative hashing: Knuth, volume 3, 6.4


class ItemsToReviewCache:
    """What this process has read lately, by job; the jobs that were not asked for the longest leave first."""

    def __init__(self) -> None:
        self._jobs = OrderedDict[str, ItemsToReview]()
        self._kept = 0
        self._lock = Lock()

    def get(self, job: str, count: int) -> ItemsToReview | None:
        """Return a job's items if there are this many; others have come since, if there were fewer."""
        with self._lock:
            found = self._jobs.get(job)
            if found is None or len(found) != count:
                return None
            self._jobs.move_to_end(job)
            return found

    def put(self, job: str, items: ItemsToReview) -> None:
        with self._lock:
            if (before := self._jobs.pop(job, None)) is not None:
                self._kept -= len(before)
            self._jobs[job] = items
            self._kept += len(items)
            while self._kept > _CACHED and len(self._jobs) > 1:
                _, dropped = self._jobs.popitem(last=False)
                self._kept -= len(dropped)
