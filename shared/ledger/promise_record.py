"""What people's decisions say about the model's answers, and how many answers there were: the record of the promise.

It is an index of the decisions in the label store, like `shared.ledger.decisions`, and made again with it.
"""

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from shared import redis_access
from shared.ledger.scripts import load
from shared.ledger.states import AuditKind
from shared.promise import Precision
from shared.redis_access import PREFIX, in_bytes

WEEKS = 13
"""The promise is about the weeks of this number, the current one among them: a quarter."""
_LASTS_S = (WEEKS + 1) * 7 * 86400
_KEY = f"{PREFIX}promise:"
_MOST = 20_000
_DAY_S = 86400
_SCALE = 10_000
_VERDICTS: Mapping[bool | None, str] = {True: "right", False: "wrong", None: "neither"}


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """An answer of the model, and what the decision in force says about it."""

    place: str
    """The decision's place among its tenant's."""
    job: str
    index: int
    bundle: str
    branch: str
    """The category at the root of its path."""
    confidence: float
    right: bool | None
    """`None`: the decision is less exact than the answer, and does not contradict it."""
    audited: AuditKind | None
    """`None`: it needed a review."""

    @property
    def at(self) -> float:
        """When it was decided."""
        return int(self.place.partition("-")[0]) / 1e6

    @property
    def week(self) -> int:
        return week_of(self.at)

    def row(self) -> str:
        how = self.audited.value if self.audited else "reviewed"
        scaled = round(self.confidence * _SCALE)
        return (
            f"{self.place} {self.job} {self.index} {self.bundle} {how} {_VERDICTS[self.right]} {scaled} {self.branch}"
        )

    @classmethod
    def read(cls, row: str) -> "CheckedAnswer":
        place, job, index, bundle, how, verdict, scaled, branch = row.split(" ", 7)
        audited = None if how == "reviewed" else AuditKind(how)
        right = {text: value for value, text in _VERDICTS.items()}[verdict]
        return cls(place, job, int(index), bundle, branch, int(scaled) / _SCALE, right, audited)


@dataclass(frozen=True, slots=True)
class DrawCounts:
    """Numbers of a chunk's answers."""

    bins: Mapping[int, int]
    """By the bin of their confidence."""
    accepted: int
    branches: Mapping[str, tuple[int, int]]
    """Numbers of the accepted ones, by branch: those that were drawn, and the others."""


class PromiseRecord:
    """The record of all tenants."""

    def __init__(self, redis: Redis) -> None:
        self._redis = in_bytes(redis)
        self._tally = load(redis, "tally")
        self._draw = load(redis, "draw")

    def now(self) -> float:
        return redis_access.now(self._redis)

    # Drawing

    def secret(self) -> bytes:
        """Return what decides, with an item's place, whether it is drawn: nobody outside can tell which are."""
        key = f"{_KEY}secret"
        self._redis.set(key, secrets.token_hex(16), nx=True)
        return self._redis.get(key) or b""

    def count(self, tenant: str, bundle: str, counts: DrawCounts, least: int, share: float) -> dict[str, int]:
        """Count a chunk's answers; return how many others of each branch are to be audited besides those drawn.

        Args:
            least: The number of audits of a week and branch to reach.
            share: The share of the week's accepted answers that may be audited for that.
        """
        bins: list[int] = [number for pair in sorted(counts.bins.items()) for number in pair]
        branches = [part for code, (drawn, others) in counts.branches.items() for part in (code, drawn, others)]
        head: list[Any] = [tenant, bundle, _LASTS_S, least, share, counts.accepted, len(counts.bins)]
        return dict(zip(counts.branches, map(int, self._draw(args=[*head, *bins, *branches])), strict=True))

    # Decisions

    def tally(self, tenant: str, entries: Iterable[tuple[str, CheckedAnswer | str]]) -> None:
        """Keep what decisions say, and forget what was said by those that are undone.

        Args:
            entries: Of each decision its place, and what it says, or the place of the decision that it undoes.
        """
        told = list[str]()
        for place, said in entries:
            if isinstance(said, str):
                told += (place, "undone", said)
            else:
                told += (place, "audited" if said.audited else "reviewed", said.row())
        if told:
            self._tally(args=[tenant, _LASTS_S, *told])

    def forget(self) -> None:
        """Forget all decisions, to be told of them again."""
        for name in ("audited", "reviewed", "undone"):
            for key in self._redis.scan_iter(f"{_KEY}{name}:*", 500):
                self._redis.delete(key.decode())

    # Reading

    def tenants(self) -> list[str]:
        """Return the tenants who have decided about something of late."""
        return [name.decode() for name in self._redis.zrange(f"{_KEY}tenants", 0, -1)]

    def audited(self, tenant: str) -> list[CheckedAnswer]:
        """Return the audited answers of the promise's weeks, the oldest first."""
        return self._checked("audited", tenant, starts_at(week_of(self.now()) - WEEKS + 1))

    def reviewed(self, tenant: str, days: float) -> list[CheckedAnswer]:
        """Return the latest answers that needed a review and were decided in these days."""
        return self._checked("reviewed", tenant, self.now() - days * _DAY_S)

    def answers(self, tenant: str, bundle: str, days: int) -> dict[int, int]:
        """Return how many answers of each bin of confidences there were on the last days, today among them."""
        today, found = int(self.now() // _DAY_S), Counter[int]()
        with self._redis.pipeline(transaction=False) as pipe:
            for day in range(today - days + 1, today + 1):
                pipe.hgetall(f"{_KEY}answers:{tenant}:{bundle}:{day}")
            for counts in pipe.execute():
                found.update({int(place): int(number) for place, number in counts.items()})
        return dict(found)

    def accepted(self, tenant: str) -> dict[int, int]:
        """Return how many answers were accepted in each of the promise's weeks."""
        last = week_of(self.now())
        weeks = range(last - WEEKS + 1, last + 1)
        with self._redis.pipeline(transaction=False) as pipe:
            for week in weeks:
                pipe.hget(f"{_KEY}drawn:{tenant}:{week}", "accepted")
            return {week: int(number or 0) for week, number in zip(weeks, pipe.execute(), strict=True)}

    def _checked(self, name: str, tenant: str, since: float) -> list[CheckedAnswer]:
        start = f"[{max(int(since * 1e6), 0):016d}"
        rows = self._redis.zrangebylex(f"{_KEY}{name}:{tenant}", start, "+", 0, _MOST)
        answers = [CheckedAnswer.read(row.decode()) for row in rows]
        in_force = {(answer.job, answer.index): answer for answer in answers}  # the latest of each item
        return sorted(in_force.values(), key=lambda answer: answer.place)


def precision_of(answers: Sequence[CheckedAnswer], *, floor: bool = False) -> Precision:
    """Return the precision that these answers show.

    Args:
        floor: Whether those count that were audited for their category's sake. They are no random share of all.
    """
    told = [answer.right for answer in answers if answer.audited is AuditKind.DRAWN or (floor and answer.audited)]
    return Precision(sum(right is not None for right in told), sum(right is True for right in told))


def week_of(time: float) -> int:
    """Return the number of a week, which begins on Monday (UTC)."""
    return int((time // _DAY_S + 3) // 7)


def starts_at(week: int) -> float:
    """Return when a week begins, in seconds since 1970."""
    return (7 * week - 3) * _DAY_S
