"""The index of the decisions in the store, in Redis for all processes: made of the files, and caught up from them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from redis import Redis

from api.decisions.render import told
from shared.ledger import DecisionAction, DecisionRow, Decisions, DecisionTurn
from shared.stores.decisions import Decision, DecisionKind, DecisionStore
from shared.stores.request_files import arrival, file_name, microseconds

_LOOK_AGAIN_S = 600
"""Seconds after which all files of late are looked at again: a power cut may have taken the last second from Redis."""
_ACTIONS = {DecisionKind.SKIP: DecisionAction.SKIP, DecisionKind.UNDO: DecisionAction.UNDO}


class DecisionIndex:
    """Writes decisions to the store and to the index."""

    def __init__(self, redis: Redis, store: DecisionStore, keep_s: int) -> None:
        """Make an index of a store's decisions.

        Args:
            keep_s: Seconds for which files are known to have been applied: as long as a job's results can be there.
        """
        self._decisions = Decisions(redis, keep_s)
        self._store = store
        self._keep_s = keep_s
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
            The decisions with their file; `None` if another request has the turn.

        Raises:
            OSError: They cannot be stored.
        """
        self.catch_up()
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

    def catch_up(self) -> None:
        """Apply the files of late that are not applied, in the order of arrival, unless that was done a while ago.

        Raises:
            OSError: The store cannot be reached.
        """
        now = time.monotonic()
        if self._looked_at is not None and now < self._looked_at + _LOOK_AGAIN_S:
            return
        self._apply_all()
        self._looked_at = now

    def rebuild(self) -> None:
        """Make the index again from the files, while nobody decides."""
        self._decisions.forget()
        self._apply_all()

    def _apply_all(self) -> None:
        # A day less than what is kept in mind: what is forgotten must not be applied again.
        oldest = self._decisions.now() - self._keep_s + 24 * 3600
        names = self._store.names(datetime.fromtimestamp(oldest, UTC))
        applied = self._decisions.applied()
        for name in names:
            if name not in applied and microseconds(name) > oldest * 1e6:
                self._apply(name, self._store.read(name))

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
    return DecisionRow(
        job=decision.job,
        index=decision.item_index,
        action=_ACTIONS.get(decision.kind, DecisionAction.DECIDE),
        place=decision.place,
        by=decision.by,
        told=told(decision),
        code=decision.code,
        note=decision.note,
        needs_review=decision.needs_review,
        undoes=decision.undoes or "",
    )
