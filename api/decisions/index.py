"""The index of the decisions in the store, in Redis for all processes: made of the files, and caught up from them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from redis import Redis

from shared.ledger import (
    AuditKind,
    CheckedAnswer,
    DecisionAction,
    DecisionRow,
    Decisions,
    DecisionTurn,
)
from shared.stores.decisions import Decision, DecisionKind, DecisionStore, told
from shared.stores.request_files import arrival, file_name, microseconds

_LOOK_AGAIN_S = 600
"""Seconds after which the files of late are looked at again: a power cut may have taken the last second from Redis."""
_OF_LATE = timedelta(days=1)
"""Before the last file that was applied; the index keeps in mind those of two days."""
_ACTIONS = {DecisionKind.SKIP: DecisionAction.SKIP, DecisionKind.UNDO: DecisionAction.UNDO}


class DecisionIndex:
    """Writes decisions to the store and to the index."""

    def __init__(self, redis: Redis, store: DecisionStore, keep_s: int) -> None:
        """Make an index of a store's decisions.

        Args:
            keep_s: Seconds for which decisions are indexed: as long as a job's results can be there.
        """
        self._decisions = Decisions(redis, keep_s)
        self._store = store
        self._looked_at: float | None = None

    def write(
        self, tenant: str, identifier: str, make: Callable[[], Sequence[Decision]], *, repeatable: bool
    ) -> list[Decision] | None:
        """Write a tenant's decisions as one file and apply them.

        Args:
            identifier: The request's, with 24 hex digits.
            make: Makes the decisions, when no other request of the tenant writes any.
            repeatable: Whether the request may come again with the same identifier; it is written once.

        Returns:
            The decisions with their file; `None` if another request has the turn, or the index is being made.

        Raises:
            OSError: They cannot be stored.
        """
        if not self.catch_up():
            return None
        turn = self._decisions.claim(tenant, identifier, repeatable=repeatable)
        if turn is None:
            return None
        try:
            self._apply_left(turn)
            if (before := self._written_before(turn)) is not None:
                self._decisions.release(turn, [turn.moment])
                return before
            name = _name(turn.moment, identifier)
            decisions = [replace(decision, file=name) for decision in make()]
            if decisions:
                self._store.append(name, decisions)
                self._apply(name, decisions, turn)
            else:
                self._decisions.release(turn, [turn.moment])
        except BaseException:
            self._decisions.release(turn)
            raise
        return decisions

    def catch_up(self) -> bool:
        """Apply the files of late that are not applied, unless that was done a while ago; make a lost index again.

        Returns:
            Whether the index is complete: false while another process makes it again.

        Raises:
            OSError: The store cannot be reached.
        """
        if not self._decisions.built():
            return self.rebuild()
        if self._looked_at is None or time.monotonic() > self._looked_at + _LOOK_AGAIN_S:
            applied = self._decisions.applied()
            last = arrival(max(applied)) if applied else self._now()
            for name in self._store.names(last - _OF_LATE):
                if name not in applied and arrival(name) > last - _OF_LATE:
                    self._apply(name, self._store.read(name))
            self._looked_at = time.monotonic()
        return True

    def rebuild(self) -> bool:
        """Make the index again from the files, in the order of their arrival; nobody decides meanwhile.

        Returns:
            Whether it was done: false if another process is doing it.

        Raises:
            OSError: The store cannot be reached.
        """
        if not self._decisions.begin_building():
            return False
        try:
            for name in self._store.names():  # however old: what people decided is remembered
                self._apply(name, self._store.read(name))
                self._decisions.go_on_building()
        except BaseException:
            self._decisions.end_building(complete=False)
            raise
        self._decisions.end_building(complete=True)
        self._looked_at = time.monotonic()
        return True

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._decisions.now(), UTC)

    def _apply_left(self, turn: DecisionTurn) -> None:
        """Apply the tenant's files that a process wrote and then died; forget those that none wrote."""
        for moment, identifier in turn.unapplied:
            name = _name(moment, identifier)
            if (decisions := self._read(name)) is None:
                self._decisions.drop(turn.tenant, moment)
            else:
                self._apply(name, decisions)

    def _written_before(self, turn: DecisionTurn) -> list[Decision] | None:
        """The decisions that an earlier attempt of this request wrote."""
        found = (self._read(_name(moment, turn.identifier)) for moment in turn.earlier)
        return next((decisions for decisions in found if decisions is not None), None)

    def _read(self, name: str) -> list[Decision] | None:
        """A file's decisions; `None` if it is not there. A store into which nothing was ever written has no folder."""
        return self._store.read(name) if name in self._store.names(arrival(name)) else None

    def _apply(self, name: str, decisions: Sequence[Decision], turn: DecisionTurn | None = None) -> None:
        rows = [_row(decision) for decision in decisions]
        self._decisions.apply(decisions[0].tenant, name, microseconds(name), rows, turn)


def _name(moment: int, identifier: str) -> str:
    return file_name(moment / 1e6, identifier)


def _row(decision: Decision) -> DecisionRow:
    alone = decision.like is None and decision.bulk is None
    action = _ACTIONS.get(decision.kind, DecisionAction.DECIDE if alone else DecisionAction.COPY)
    return DecisionRow(
        job=decision.job,
        index=decision.item_index,
        action=action,
        place=decision.place,
        by=decision.by,
        told=told(decision),
        code=decision.code,
        note=decision.note,
        needs_review=decision.needs_review or decision.audited is not None,
        undoes=decision.undoes or "",
        identity=decision.identity or "",
        checked=_checked(decision),
    )


def _checked(decision: Decision) -> CheckedAnswer | None:
    """What a decision says about the model's answer; `None` if nothing, or nothing that the promise is about."""
    if not decision.decides or not (decision.needs_review or decision.audited):
        return None
    if decision.branch is None or decision.bundle is None or decision.confidence is None:
        return None  # of an earlier release, of a whole filter, or the answer was not the model's
    return CheckedAnswer(
        place=decision.place,
        job=decision.job,
        index=decision.item_index,
        bundle=decision.bundle,
        branch=decision.branch,
        confidence=decision.confidence,
        right=decision.right,
        audited=None if decision.audited is None else AuditKind(decision.audited),
    )
