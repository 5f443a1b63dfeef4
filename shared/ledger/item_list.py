"""A job's items, what was sent beside what was answered, page by page."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from redis import Redis

from shared.ledger.chunks import Chunks
from shared.ledger.decisions import DecidedItems
from shared.ledger.facets import (
    BRANCHES_DISAGREE,
    NEEDS_REVIEW,
    NO_CONFIDENCE,
    STATUS_BITS,
    FacetRow,
    Facets,
    scaled,
    status_number,
)
from shared.ledger.item_orders import ItemOrder, OrderedItems, Place, ordered
from shared.ledger.records import Job, KnownItem, QueuedItem
from shared.ledger.states import ItemStatus
from shared.redis_access import in_bytes
from shared.words import words

_AT_ONCE = 50
"""Items whose chunks are read in one round trip."""
_SEARCHED, _CHUNKS = 3_000, 100
"""The most items whose texts are searched for a page, and the most chunks that are read for that."""

_Sent = tuple[Place, QueuedItem | None]
"""An item's place, and what was sent, if that is kept."""


@dataclass(frozen=True)
class ItemFilter:
    """Which items a reader wants to see; all, as it is."""

    statuses: Collection[ItemStatus] = ()
    """Items with one of these; whichever, without any."""
    needs_review: bool | None = None
    codes: Collection[str] | None = None
    """Items answered with one of these categories."""
    least: float | None = None
    """The lowest confidence."""
    most: float | None = None
    """The highest confidence."""
    disagree: bool | None = None
    """Whether text and picture, each by itself, give different categories."""
    bundle: str | None = None
    decided: bool | None = None
    """Whether a person has decided about the item."""
    decided_by: str | None = None
    """The person whose decision is in force."""
    text: str = ""
    """Words that all occur in title or description, each at least as the beginning of a word."""

    @cached_property
    def searched(self) -> Sequence[str]:
        return [f" {word}" for word in words(self.text)]

    @cached_property
    def flags(self) -> frozenset[int]:
        """The flags that rows may have."""
        statuses = {status_number(status) for status in self.statuses or ItemStatus}
        asked = ((NEEDS_REVIEW, self.needs_review), (BRANCHES_DISAGREE, self.disagree))
        return frozenset(
            flags
            for flags in range(256)
            if flags & STATUS_BITS in statuses
            and all(wanted is None or bool(flags & bit) == wanted for bit, wanted in asked)
        )

    def rows(self, facets: Facets) -> list[tuple[int, FacetRow]]:
        """Return the rows of a chunk that fit, each with its position; texts are not looked at."""
        if self.bundle is not None and facets.bundle != self.bundle:
            return []
        flags, rows = self.flags, enumerate(facets.rows())
        if self.codes is None and self.least is None and self.most is None:
            return [(position, row) for position, row in rows if row[3] in flags]
        wanted = None if self.codes is None else set(self.codes)
        numbers = {number for number, code in enumerate(facets.codes) if wanted is None or code in wanted}
        least = 0 if self.least is None else scaled(self.least)
        most = NO_CONFIDENCE - 1 if self.most is None else scaled(self.most)
        return [
            (position, row)
            for position, row in rows
            if row[1] in numbers and least <= row[2] <= most and row[3] in flags
        ]

    def has_words(self, item: QueuedItem | None) -> bool:
        if not self.searched:
            return True
        text = "" if item is None else " " + " ".join(words(item.title, item.description))
        return all(word in text for word in self.searched)


@dataclass(frozen=True, slots=True)
class ItemPage:
    items: list[KnownItem]
    cursor: str | None
    """The cursor of the next page; `None` if nothing will follow."""


class ItemList:
    LONGEST_PAGE = 200

    def __init__(self, redis: Redis) -> None:
        self._chunks = Chunks(in_bytes(redis))
        self._decided = DecidedItems(redis)

    def page(
        self,
        job: Job,
        wanted: ItemFilter,
        order: ItemOrder = ItemOrder.SENT,
        cursor: str | None = None,
        limit: int = 50,
    ) -> ItemPage:
        """Return finished items behind the cursor, also while the job runs.

        A page may have fewer items than `limit` although more follow: with words to search for, a bounded number of
        items is looked at.

        Args:
            job: The job as read before.
            limit: 1 to `LONGEST_PAGE`.

        Raises:
            CursorError: `cursor` is not one that this list returns in this order.
            ResultsGoneError: The results have expired.
        """
        looked_at = ordered(order, cursor, job, self._chunks)
        most = _SEARCHED if wanted.searched else limit
        places = heapq.nsmallest(most + 1, self._places(job, wanted, looked_at))
        found, last = list[_Sent](), None
        for place, item in self._sent(job, places[:most]):
            last = place
            if wanted.has_words(item):
                found.append((place, item))
            if len(found) == limit:
                break
        more = last is not None and last != places[-1]
        cursor = looked_at.after(last) if last is not None and more else looked_at.end()
        return ItemPage(self._with_outcomes(job, found), cursor)

    def item(self, job: Job, index: int) -> KnownItem | None:
        """Return the finished item at this position of the request; `None` if there is none, or none yet.

        Raises:
            ResultsGoneError: The results have expired.
        """
        return self.items(job, [index]).get(index)

    def items(self, job: Job, indices: Collection[int]) -> dict[int, KnownItem]:
        """Return the finished items at these positions of the request, of those that there are.

        Raises:
            ResultsGoneError: The results have expired.
        """
        places = list[Place]()
        for chunk, facets in read_facets(self._chunks, job, self._chunks.order(job)):
            if len(places) == len(indices):
                break
            if near := [index for index in indices if facets.may_have(index)]:
                places += [(0, 0, chunk, index) for index in facets.indices.intersection(near)]
        return self._known(job, places)

    def at(self, job: Job, wanted: Mapping[int, Collection[int]]) -> dict[int, KnownItem]:
        """Return the finished items at these positions of the request, whose chunks are known.

        Raises:
            ResultsGoneError: The results have expired.
        """
        return self._known(job, [(0, 0, chunk, index) for chunk, indices in wanted.items() for index in indices])

    def sent_at(self, job: Job, wanted: Mapping[int, Collection[int]]) -> dict[int, QueuedItem]:
        """Return what was sent of the finished items at these positions, whose chunks are known.

        Of items that are no longer kept there are the ids, and titles that results give back.

        Raises:
            ResultsGoneError: The results have expired.
        """
        found = self._chunks.items_at(job, wanted)
        rest = {chunk: {*indices}.difference(found) for chunk, indices in wanted.items()}
        lacking = {chunk: indices for chunk, indices in rest.items() if indices}
        sent = self._chunks.sent_at(job, lacking)
        for index, (_, outcome) in self._chunks.outcomes_at(job, lacking).items():
            title = sent[index].title if index in sent else None
            found[index] = QueuedItem(index, outcome.id, title)
        return found

    def _known(self, job: Job, places: Sequence[Place]) -> dict[int, KnownItem]:
        sent = self._chunks.items_at(job, _by_chunk(places))
        known = self._with_outcomes(job, [(place, sent.get(place[3])) for place in places])
        return {each.outcome.index: each for each in known}

    def _places(self, job: Job, wanted: ItemFilter, looked_at: OrderedItems) -> Iterator[Place]:
        decided = self._are_wanted(job, wanted)
        for chunk, facets in read_facets(self._chunks, job, looked_at.chunks):
            rows = wanted.rows(facets)
            yield from looked_at.places(chunk, rows if decided is None else [row for row in rows if decided(row[1][0])])

    def _are_wanted(self, job: Job, wanted: ItemFilter) -> Callable[[int], bool] | None:
        """Return what tells of an item's index whether its decision is as wanted; `None` if each is."""
        if wanted.decided is None and wanted.decided_by is None:
            return None
        indices, asked = self._decided.indices(job, wanted.decided_by), wanted.decided
        if wanted.decided_by is not None:
            return lambda index: index in indices and asked is not False
        return lambda index: (index in indices) == asked

    def _sent(self, job: Job, places: Sequence[Place]) -> Iterator[_Sent]:
        """Yield the items as they were sent, which may not be kept; not all, if they are in many chunks."""
        read = set[int]()
        for first in range(0, len(places), _AT_ONCE):
            some = places[first : first + _AT_ONCE]
            items = self._chunks.items_at(job, _by_chunk(some))
            for place in some:
                yield place, items.get(place[3])
            read.update(chunk for _, _, chunk, _ in some)
            if len(read) >= _CHUNKS:
                return

    def _with_outcomes(self, job: Job, found: Sequence[_Sent]) -> list[KnownItem]:
        wanted = _by_chunk([place for place, _ in found])
        outcomes = self._chunks.outcomes_at(job, wanted)
        sent, known = self._chunks.sent_at(job, wanted), list[KnownItem]()
        decided = self._decided.of(job, [place[3] for place, _ in found])
        for (_, _, _, index), item in found:
            bundle, outcome = outcomes[index]
            known.append(KnownItem(outcome, bundle, item, sent.get(index), decided.get(index)))
        return known


def _by_chunk(places: Sequence[Place]) -> dict[int, set[int]]:
    found = defaultdict[int, set[int]](set)
    for _, _, chunk, index in places:
        found[chunk].add(index)
    return found


def read_facets(chunks: Chunks, job: Job, order: Sequence[int]) -> Iterator[tuple[int, Facets]]:
    """Yield these chunks' facets, as far as they have outcomes."""
    written = chunks.facets(job)
    for chunk in order:
        if (content := written.get(chunk)) is not None:
            yield chunk, Facets.read(content)
        elif (read := chunks.outcomes(job, chunk)) is not None:  # skipped, never done, or an older release's
            yield chunk, Facets.of(*read)
