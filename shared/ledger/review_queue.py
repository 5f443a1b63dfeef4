"""The queue of open items: which is worth looking at next, which near copies are decided with it, and who has it.

An item is open if it needs a look and no decision about it is in force. A card is an open item with its near copies:
those that share its variants' key, and those that have its picture, or one that looks like it, and its answer.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from redis import Redis

from shared.ledger.chunks import Chunks, ResultsGoneError
from shared.ledger.decisions import person_key
from shared.ledger.item_list import read_facets
from shared.ledger.ledger import JOB_ID, JobNotFoundError, Ledger
from shared.ledger.open_items import ItemsToReview, ItemsToReviewCache
from shared.ledger.scripts import cards_key, job_key, load
from shared.likeness import Looks
from shared.redis_access import in_bytes

_JOBS_LOOKED_AT, _JOBS, _ITEMS = 5_000, 200, 100_000
"""A tenant's jobs that are looked at, those with open items of which cards are made, and the open items of these."""
_PLACEHOLDER = 8
"""A picture that more variants than these have is a shop's mark or placeholder, and makes no copies."""
_SPARE, _TRIES = 10, 3
"""Cards that are tried beside those wanted, because another process may take one, and how often all is looked at."""
_SURE = 10_000
"""The confidence of 1, as rows have it."""

_Row = tuple[int, int, int, int, int, int, int, int]
"""Confidence, job's number, index, chunk, number of the category, picture's key, its look, and what variants share."""
_CONFIDENCE, _JOB, _INDEX, _CHUNK, _CODE, _PICTURE, _LOOK, _GROUP = range(8)


def weight_of(code: str) -> float:
    """Return how much more a look at items of this category is worth than at those of others; 1 for all today."""
    return 1.0


class OpenItem(NamedTuple):
    """Where an item is that waits for a person."""

    job: str
    position: int
    """In the request."""
    chunk: int

    @property
    def place(self) -> tuple[str, int]:
        return self.job, self.position


@dataclass(frozen=True, slots=True)
class Card:
    """An open item, and the open items that are near copies of it, the nearest first."""

    item: OpenItem
    copies: Sequence[OpenItem]


@dataclass(frozen=True, slots=True)
class ReservedCards:
    cards: Sequence[Card]
    until: float
    """When they come back, by Redis's clock."""


@dataclass(frozen=True, slots=True)
class CardsWanted:
    """Which cards a person wants."""

    limit: int = 10
    seconds: int = 600
    """How long they are reserved."""
    job: str | None = None
    """Items of this job alone; their copies may be of others."""
    codes: Collection[str] | None = None
    """Items answered with one of these categories."""
    last: Collection[tuple[str, int]] = ()
    """Items, by job and index, that come behind all others: the person has skipped them."""


class _Job(NamedTuple):
    id: str
    items: ItemsToReview
    decided: frozenset[int]


class _Waiting:
    """All that is open in a tenant's jobs, at one moment."""

    def __init__(self, jobs: Sequence[_Job], reserved: Mapping[str, Collection[int]]) -> None:
        self.jobs = jobs
        self.numbers = {job.id: number for number, job in enumerate(jobs)}
        self.rows = list[_Row]()
        """The open items that nobody has."""
        self.held = set[int]()
        """The groups of which somebody has an item."""
        for number, job in enumerate(jobs):
            self._add(number, job, job.decided, reserved.get(job.id, ()))

    def _add(self, number: int, job: _Job, decided: Collection[int], reserved: Collection[int]) -> None:
        rows, held = self.rows, self.held
        most = _ITEMS - len(rows) + len(decided) + len(reserved)
        for confidence, index, chunk, code, group, picture, look in islice(job.items.rows(), most):
            if index in decided:
                continue
            if index in reserved:
                held.add(group or _alone(number, index))
            else:
                rows.append((confidence, number, index, chunk, code, picture, look, group or _alone(number, index)))

    def rows_at(self, number: int, indices: Collection[int]) -> Iterator[_Row]:
        """Yield the rows of a job's items at these positions, open or not."""
        for confidence, index, chunk, code, group, picture, look in self.jobs[number].items.rows():
            if index in indices:
                yield confidence, number, index, chunk, code, picture, look, group or _alone(number, index)

    def best(self, wanted: CardsWanted, most: int) -> list[_Row]:
        """Return the open items that are most worth a look, one of each group of variants."""
        sizes, best = Counter([row[_GROUP] for row in self.rows]), dict[int, _Row]()
        for row in self._wanted(wanted):
            if (before := best.get(row[_GROUP])) is None or row < before:
                best[row[_GROUP]] = row
        last = {(self.numbers.get(job), index) for job, index in wanted.last}
        weights = [{number: weight_of(code) for number, code in enumerate(job.items.codes)} for job in self.jobs]

        def worth(row: _Row) -> tuple[bool, float, int, int]:
            confidence, number, index, _, code, _, _, group = row
            value = (_SURE - confidence) * sizes[group] * weights[number][code]
            return (number, index) not in last, value, -number, -index

        return heapq.nlargest(most, (row for row in best.values() if row[_GROUP] not in self.held), key=worth)

    def _wanted(self, wanted: CardsWanted) -> Iterable[_Row]:
        rows: Iterable[_Row] = self.rows
        if wanted.job is not None:
            number = self.numbers.get(wanted.job)
            rows = (row for row in rows if row[_JOB] == number)
        if (codes := wanted.codes) is not None:
            fitting = [{at for at, code in enumerate(job.items.codes) if code in codes} for job in self.jobs]
            rows = (row for row in rows if row[_CODE] in fitting[row[_JOB]])
        return rows

    def cards(self, rows: Sequence[_Row]) -> list[Card]:
        """Make cards of items; no item is on two of them, and an item that is on an earlier one gets none."""
        groups, pictures, looks = self._alike(rows)
        taken, made = set[tuple[int, int]](), list[Card]()
        for row in rows:
            if row[_JOB : _INDEX + 1] in taken:
                continue
            code = self._code(row)
            pictured = *pictures.get((row[_PICTURE], code), ()), *looks.get((row[_LOOK], code), ())
            found = {*groups[row[_GROUP]], *pictured} - {row}
            copies = [copy for copy in found if copy[_JOB : _INDEX + 1] not in taken]
            copies.sort(key=lambda copy: _distance(copy, row))
            del copies[ReviewQueue.MOST_COPIES :]
            taken.update(copy[_JOB : _INDEX + 1] for copy in (row, *copies))
            made.append(Card(self._item(row), [self._item(copy) for copy in copies]))
        return made

    def _alike(self, rows: Sequence[_Row]) -> "_Alike":
        """Return the open items that are like these."""
        wanted, like = {row[_GROUP] for row in rows}, self._looking_like({row[_LOOK] for row in rows} - {0})
        pictures, looks = self._telling({row[_PICTURE] for row in rows} - {0}, like)
        found = _Alike(defaultdict(list), defaultdict(list), defaultdict(list))
        for row in self.rows:
            if row[_GROUP] in wanted:
                found.groups[row[_GROUP]].append(row)
            if row[_PICTURE] in pictures:
                found.pictures[row[_PICTURE], self._code(row)].append(row)
            if row[_LOOK] in like:
                for look in looks.intersection(like[row[_LOOK]]):
                    found.looks[look, self._code(row)].append(row)
        return found

    def _looking_like(self, looks: Collection[int]) -> Mapping[int, Sequence[int]]:
        """Return the looks that are like some of these, and like which."""
        if not looks:
            return {}
        return Looks(looks).among({row[-1] for job in self.jobs for row in job.items.rows()})

    def _telling(self, pictures: Collection[int], like: Mapping[int, Sequence[int]]) -> tuple[set[int], set[int]]:
        """Return those of the pictures, and of the looks that others are like, that few variants have.

        Items that are decided count, too.
        """
        groups, looks = defaultdict[int, set[int]](set), defaultdict[int, set[int]](set)
        for number, job in enumerate(self.jobs if pictures else ()):
            for _, index, _, _, group, picture, look in job.items.rows():
                if picture in pictures:
                    groups[picture].add(group or _alone(number, index))
                if look in like:
                    for one in like[look]:
                        looks[one].add(group or _alone(number, index))
        return _of_few(groups), _of_few(looks)

    def _code(self, row: _Row) -> str:
        return self.jobs[row[_JOB]].items.codes[row[_CODE]]

    def _item(self, row: _Row) -> OpenItem:
        return OpenItem(self.jobs[row[_JOB]].id, row[_INDEX], row[_CHUNK])


class _Alike(NamedTuple):
    """Open items by what they share with others."""

    groups: Mapping[int, list[_Row]]
    pictures: Mapping[tuple[int, str], list[_Row]]
    """By picture and category."""
    looks: Mapping[tuple[int, str], list[_Row]]
    """Those whose pictures look like one, by its look, and the category."""


def _of_few(groups: Mapping[int, Collection[int]]) -> set[int]:
    return {shared for shared, found in groups.items() if len(found) <= _PLACEHOLDER}


class ReviewQueue:
    MOST_COPIES = 1_000
    """Near copies of a card."""
    MOST_RESERVED = 20_000
    """Items that a tenant may have reserved: a person who asks again and again must not take the whole queue."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)
        self._ledger = Ledger(redis)
        self._chunks = Chunks(self._redis)
        self._read = load(redis, "review")
        self._reserve = load(redis, "reserve")
        self._give_back = load(redis, "give_back")
        self._cache = ItemsToReviewCache()

    def take(self, tenant: str, person: str, wanted: CardsWanted) -> ReservedCards:
        """Reserve the cards for a person that are most worth a look, of those that nobody has.

        Worth is how unsure the answer is, times how many variants wait with it, times the weight of its category.

        Returns:
            At most `wanted.limit` cards, perhaps fewer although there are more, if others take some at the same time.
        """
        until = 0.0
        for _ in range(_TRIES):
            waiting = self._waiting(tenant, wanted.job)
            cards = waiting.cards(waiting.best(wanted, wanted.limit + _SPARE))
            told = ["\n".join(map(_member, (card.item, *card.copies))) for card in cards]
            numbers = (wanted.seconds, self.MOST_RESERVED, wanted.limit)
            ends, *taken = self._reserve(args=[tenant, person_key(person), *numbers, *told])
            until = float(ends)
            if taken or not cards:
                return ReservedCards([cards[int(at)] for at in taken], until)
        return ReservedCards([], until)

    def give_back(self, tenant: str, person: str, items: Collection[tuple[str, int]] = ()) -> int:
        """Give back cards that are reserved for a person, by their items; without any, all. Returns how many."""
        members = [f"{job} {index}" for job, index in items]
        return int(self._give_back(args=[tenant, person_key(person), *members]))

    def copies(self, tenant: str, items: Sequence[tuple[str, str, int]]) -> list[list[OpenItem]]:
        """Return the near copies of items, given with who decides about each, job and index.

        They are open now, and nobody else has reserved them. No item is a copy of two. An item that needs no look has
        none.
        """
        # A client's text must not lead to another key.
        first = next((job for _, job, _ in items if JOB_ID.fullmatch(job)), None)
        waiting = self._waiting(tenant, first, items)
        at = defaultdict[int, set[int]](set)
        for _, job, index in items:
            if (number := waiting.numbers.get(job)) is not None:
                at[number].add(index)
        rows = [row for number, indices in at.items() for row in waiting.rows_at(number, indices)]
        named = {(job, index) for _, job, index in items}
        found = {
            card.item.place: [copy for copy in card.copies if copy.place not in named] for card in waiting.cards(rows)
        }
        return [found.pop((job, index), []) for _, job, index in items]

    def _waiting(self, tenant: str, first: str | None = None, of: Sequence[tuple[str, str, int]] = ()) -> _Waiting:
        """Read what waits.

        Args:
            first: A job that is looked at in any case.
            of: People and items: what they have reserved with these items counts as free.
        """
        kept, *jobs = self._read(args=[tenant, _JOBS_LOOKED_AT, _JOBS, _ITEMS, *([first] if first else [])])
        reserved = defaultdict[str, set[int]](set)
        for member in kept.decode().split(",") if kept else ():
            job, index = member.split(" ")
            reserved[job].add(int(index))
        for job, index in self._held(tenant, of):
            reserved[job].discard(index)
        found = list[_Job]()
        for job, count, decided in zip(jobs[::3], jobs[1::3], jobs[2::3], strict=True):
            if (items := self._items(job.decode(), int(count))) is not None:
                positions = map(int, decided.split(b",")) if decided else ()
                found.append(_Job(job.decode(), items, frozenset(positions)))
        return _Waiting(found, reserved)

    def _held(self, tenant: str, items: Sequence[tuple[str, str, int]]) -> Iterator[tuple[str, int]]:
        """Yield the items of the cards that begin with these items and are reserved for these people."""
        if not items:
            return
        cards = self._redis.hmget(cards_key(tenant), [f"{job} {index}" for _, job, index in items])
        for (by, _, _), card in zip(items, cards, strict=True):
            whose, *members = card.decode().split("\n") if card else ("",)
            for member in members if whose == person_key(by) else ():
                job, index = member.split(" ")
                yield job, int(index)

    def _items(self, job_id: str, count: int) -> ItemsToReview | None:
        """Return a job's items that need a look; `None` if its results have expired meanwhile."""
        if (known := self._cache.get(job_id, count)) is not None:
            return known
        try:
            job = self._ledger.job(job_id)
            facets = dict(read_facets(self._chunks, job, self._chunks.order(job)))
        except (JobNotFoundError, ResultsGoneError):
            return None
        kept = self._redis.hgetall(job_key(job_id, "likeness"))
        items = ItemsToReview.of(facets, {int(chunk): likeness for chunk, likeness in kept.items()})
        self._cache.put(job_id, items)
        return items


def _distance(row: _Row, other: _Row) -> tuple[bool, int, int, int]:
    """Return how far two items are from each other: items of one job are nearer, and those beside each other."""
    same = row[_JOB] == other[_JOB]
    return not same, row[_JOB], abs(row[_INDEX] - other[_INDEX]) if same else 0, row[_INDEX]


def _alone(number: int, index: int) -> int:
    """Return the group of an item of which nothing is known that others may share."""
    return -(number << 32 | index) - 1


def _member(item: OpenItem) -> str:
    return f"{item.job} {item.position}"
