"""What people decided about results: an index of the decisions in the label store, made again from them if need be."""

import hashlib
import json
import re
import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from redis import Redis

from shared import redis_access
from shared.ledger.cursor import CursorError
from shared.ledger.idempotency import KEEP_ANSWERS_S
from shared.ledger.promise_record import CheckedAnswer, PromiseRecord
from shared.ledger.records import Decided, Job
from shared.ledger.scripts import job_key, load
from shared.redis_access import PREFIX, in_bytes

TURN_S = 60
"""A request that has not written its decisions after this time loses its turn to do so."""
_KEY = f"{PREFIX}decisions:"
_AT_ONCE = 500
"""Decisions that are applied, or looked at, in one step."""
_CURSOR = re.compile("[0-9]{16}-[0-9]{6}")


class DecisionAction(StrEnum):
    DECIDE = "decide"
    COPY = "copy"
    """It came with another item's decision, and is undone with that one."""
    SKIP = "skip"
    """The item stays as it is; that the person has seen it can be undone."""
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision as the index takes it."""

    job: str
    index: int
    """The item's position in the job."""
    action: DecisionAction
    place: str
    """Its place among its tenant's decisions: microseconds since 1970 with 16 digits, `-`, and six digits."""
    by: str
    told: str
    """What the feed tells of it."""
    code: str | None = None
    note: str | None = None
    needs_review: bool = False
    """Whether the item was among those to look at."""
    undoes: str = ""
    """The place of the decision that is taken back."""
    identity: str = ""
    """By what the same item and its near copies are recognised; "" if what was sent is not kept."""
    checked: CheckedAnswer | None = None
    """What it says about the model's answer, if it says anything."""


@dataclass(frozen=True, slots=True)
class DecisionTurn:
    """A request's right to write decisions of a tenant."""

    tenant: str
    token: str
    moment: int
    """When its file arrives, in microseconds since 1970."""
    identifier: str
    earlier: Sequence[int]
    """When the files of earlier attempts of the request arrived; at most one of them was written."""
    unapplied: Sequence[tuple[int, str]]
    """Moments and identifiers of the tenant's files that may have been written without being applied, in order."""


@dataclass(frozen=True, slots=True)
class UndoableDecision:
    """A person's decision that can be undone."""

    place: str
    job: str
    index: int
    file: str | None
    """The name of its file, which also has what was decided with it; `None` if it is not known."""


class ToldDecision(NamedTuple):
    """A decision in the order of arrival."""

    cursor: str
    told: str


class DecisionsGoneError(LookupError):
    """Decisions behind this cursor are no longer told."""


class Decisions:
    """The index: of each job the decisions in force, of each person the last ones, of each tenant all in order."""

    UNDOABLE = 50
    """Decisions of a person that can be undone."""
    LONGEST_PAGE = 1000

    def __init__(self, redis: Redis, keep_s: int) -> None:
        """Make an index.

        Args:
            keep_s: Seconds for which decisions are told and can be undone.
        """
        self._redis = in_bytes(redis)
        self._keep_s = keep_s
        self._record = PromiseRecord(redis)
        self._claim = load(redis, "claim_decisions")
        self._decide = load(redis, "decide")
        self._release = load(redis, "release_decisions")

    def now(self) -> float:
        """Return the seconds since 1970 by Redis's clock."""
        return redis_access.now(self._redis)

    # Writing

    def claim(self, tenant: str, identifier: str, *, repeatable: bool) -> DecisionTurn | None:
        """Take the turn to write a file of the tenant's decisions; `None` while another request has it.

        Args:
            identifier: The request's, with 24 hex digits.
            repeatable: Whether the same request may come again, and then has the same identifier.
        """
        token = secrets.token_hex(8)
        keep_s = KEEP_ANSWERS_S if repeatable else 0
        taken = self._claim(args=[tenant, token, TURN_S, identifier, keep_s])
        if not taken:
            return None
        moment, earlier, *left = taken
        pairs = zip(left[::2], left[1::2], strict=True)
        unapplied = sorted((int(when), whose.decode()) for when, whose in pairs)
        return DecisionTurn(tenant, token, int(moment), identifier, [*map(int, earlier)], unapplied)

    def release(self, turn: DecisionTurn, unwritten: Collection[int] = ()) -> None:
        """Give the turn back.

        Args:
            unwritten: Moments of files that are known not to be there.
        """
        self._release(args=[turn.tenant, turn.token, *unwritten])

    def drop(self, tenant: str, unwritten: int) -> None:
        """Forget a file that may have been written, and was not."""
        self._release(args=[tenant, "", unwritten])

    def apply(
        self, tenant: str, file: str, moment: int, rows: Sequence[DecisionRow], turn: DecisionTurn | None = None
    ) -> None:
        """Apply a file's decisions, once; a turn is given back in the last step."""
        for first in range(0, len(rows), _AT_ONCE):
            self._record.tally(tenant, _said(rows[first : first + _AT_ONCE]))
        token = "" if turn is None else turn.token
        for first in range(0, max(len(rows), 1), _AT_ONCE):
            some = rows[first : first + _AT_ONCE]
            complete = int(first + _AT_ONCE >= len(rows))
            args = [argument for row in some for argument in _arguments(row)]
            self._decide(args=[tenant, file, moment, token, self._keep_s, complete, *args])

    def applied(self) -> set[str]:
        """Return the names of the files of the last two days that have been applied."""
        return {name.decode() for name in self._redis.zrange(f"{_KEY}applied", 0, -1)}

    # Making the index again

    def built(self) -> bool:
        """Whether the index is complete, perhaps without the files of late."""
        return bool(self._redis.exists(f"{_KEY}built"))

    def begin_building(self) -> bool:
        """Forget all but what jobs have, to be made again from all files; false if another process is doing that."""
        if not self._redis.set(f"{_KEY}building", "", ex=TURN_S, nx=True):
            return False
        patterns = [f"{_KEY}{kind}" for kind in ("built", "applied", "by:*", "of:*", "gone:*")]
        for pattern in (*patterns, f"{PREFIX}memory:*", f"{PREFIX}near:*"):
            for key in self._redis.scan_iter(pattern, _AT_ONCE):
                self._redis.delete(key.decode())
        self._record.forget()
        return True

    def go_on_building(self) -> None:
        """Say that this process is alive, between two files."""
        self._redis.expire(f"{_KEY}building", TURN_S)

    def end_building(self, *, complete: bool) -> None:
        if complete:
            self._redis.set(f"{_KEY}built", "")
        self._redis.delete(f"{_KEY}building")

    # Reading

    def undoable(self, tenant: str, by: str, count: int) -> list[UndoableDecision]:
        """Return a person's last decisions that were not undone, the latest first."""
        found = self._redis.zrevrange(f"{_KEY}by:{tenant}:{person_key(by)}", 0, count - 1)
        parts = [member.decode().split(" ", 3) for member in found]
        return [UndoableDecision(place, job, int(index), *file or (None,)) for place, job, index, *file in parts]

    def page(self, tenant: str, since: str | None, limit: int) -> list[ToldDecision]:
        """Return a tenant's decisions after the cursor in the order of their arrival.

        Raises:
            CursorError: `since` is not one that this index returns.
            DecisionsGoneError: Some after it are no longer told.
        """
        start = "-"
        if since is not None:
            if not _CURSOR.fullmatch(since):
                raise CursorError(f"{since[:100]!r} is no cursor of decisions")
            gone = self._redis.get(f"{_KEY}gone:{tenant}")
            if gone is not None and gone.decode() > since:
                raise DecisionsGoneError(since)
            start = f"({since}!"  # behind all that begins with the cursor and a blank
        members = self._redis.zrangebylex(f"{_KEY}of:{tenant}", start, "+", 0, limit)
        parts = (member.decode().partition(" ") for member in members)
        return [ToldDecision(cursor, told) for cursor, _, told in parts]


class DecidedItems:
    """The decisions in force of a job's items."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)

    def of(self, job: Job, indices: Sequence[int]) -> dict[int, Decided]:
        """Return those of the items at these positions that are decided."""
        if not job.decisions or not indices:
            return {}
        found = dict[int, Decided]()
        for first in range(0, len(indices), _AT_ONCE):
            some = [str(index) for index in indices[first : first + _AT_ONCE]]
            kept = self._redis.hmget(job_key(job.id, "decided"), some)
            found |= {int(index): _latest(lines) for index, lines in zip(some, kept, strict=True) if lines}
        return found

    def indices(self, job: Job, by: str | None = None) -> set[int]:
        """Return the positions of the decided items; of those that this person has decided, if one is named."""
        if not job.decisions:
            return set()
        key = job_key(job.id, "decided")
        if by is None:
            return {int(index) for index in self._redis.hkeys(key)}
        return {int(index) for index, lines in self._redis.hgetall(key).items() if _latest(lines).by == by}


def _arguments(row: DecisionRow) -> Iterator[str | int]:
    what = row.undoes
    if row.action in (DecisionAction.DECIDE, DecisionAction.COPY):
        # JSON has no line break in it.
        kept = json.dumps([row.code, row.by, row.note], ensure_ascii=False, separators=(",", ":"))
        what = f"{row.place} {int(row.needs_review)} {kept}"
    yield from (row.job, row.index, row.action.value, row.place, person_key(row.by), what, row.told, row.identity)


def _said(rows: Sequence[DecisionRow]) -> Iterator[tuple[str, CheckedAnswer | str]]:
    for row in rows:
        if row.action is DecisionAction.UNDO:
            yield row.place, row.undoes
        elif row.checked is not None:
            yield row.place, row.checked


def _latest(lines: bytes) -> Decided:
    return decided_of(lines.rpartition(b"\n")[2])


def decided_of(line: bytes) -> Decided:
    """Return the decision of a line that `decide.lua` has kept."""
    place, _, kept = line.decode().split(" ", 2)
    code, by, note = json.loads(kept)
    return Decided(place, code, by, note)


def person_key(by: str) -> str:
    """Return what stands for a person's name in keys."""
    return hashlib.sha256(by.encode()).hexdigest()[:16]
