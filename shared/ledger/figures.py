"""The state of the queue for monitoring, read in one round trip."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from shared.ledger.packing import count_items
from shared.ledger.scripts import load
from shared.ledger.states import TERMINAL, JobState

OUTBOXES = ("webhook", "tracking")
_LOOK_AT = 10_000
"""Waiting jobs of a lane whose ready chunks are counted: 15 ms of Redis's time."""


@dataclass(frozen=True, slots=True)
class LaneFigures:
    items: int
    """Items without an outcome, including those in flight."""
    in_flight: int
    """Items of the chunks that are leased."""
    ready: int
    """Chunks that wait for a worker; an estimate beyond 10,000 waiting jobs."""
    leased: int
    """Chunks that a worker holds."""
    oldest_age_s: float
    """Time since the oldest job with a ready chunk was accepted; 0 if there is none."""
    accepted: int
    """Jobs accepted since the beginning."""
    accepted_items: int
    """Their items, without skipped ones."""
    ended: Mapping[JobState, int]
    """Jobs ended since the beginning, by state."""


@dataclass(frozen=True, slots=True)
class OutboxFigures:
    messages: int
    """Messages that are due, or will be."""
    overdue_s: float
    """How long the first message has been due; 0 if none is."""


@dataclass(frozen=True, slots=True)
class Figures:
    lanes: Mapping[str, LaneFigures]
    outboxes: Mapping[str, OutboxFigures]


class QueueFigures:
    """Reads the figures of these lanes."""

    def __init__(self, redis: Redis, lanes: Sequence[str]) -> None:
        self._read = load(redis, "figures")
        self._lanes = lanes

    def read(self) -> Figures:
        answer = self._read(args=[_LOOK_AT, len(OUTBOXES), *OUTBOXES, *self._lanes])
        now, leased = float(answer[0]), answer[1]
        chunks, items = Counter[str](), Counter[str]()
        for lane, packed in leased:
            chunks[lane.decode()] += 1
            items[lane.decode()] += count_items(packed)
        return Figures(
            {
                name: _lane(found, now, items[name], chunks[name])
                for name, found in zip(self._lanes, answer[3], strict=True)
            },
            {
                name: OutboxFigures(messages, _since(due, now))
                for name, (messages, due) in zip(OUTBOXES, answer[2], strict=True)
            },
        )


def _lane(found: Sequence[Any], now: float, in_flight: int, leased: int) -> LaneFigures:
    pending, waiting, ready, oldest, flat = found
    totals = {name.decode(): int(count) for name, count in zip(flat[::2], flat[1::2], strict=True)}
    return LaneFigures(
        items=int(pending or 0),
        in_flight=in_flight,
        ready=round(ready * max(waiting / _LOOK_AT, 1)),
        leased=leased,
        oldest_age_s=_since(oldest, now),
        accepted=totals.get("accepted", 0),
        accepted_items=totals.get("accepted_items", 0),
        ended={state: totals.get(state, 0) for state in sorted(TERMINAL)},
    )


def _since(moment: bytes | None, now: float) -> float:
    return 0.0 if moment is None else max(now - float(moment), 0.0)
