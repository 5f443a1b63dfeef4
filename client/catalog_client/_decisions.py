"""The methods of both clients that are about decisions."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from catalog_client import _calls as calls
from catalog_client._async_connection import AsyncConnection
from catalog_client._connection import Connection
from catalog_client._decision_records import Decision, DecisionSummary, ToldDecision, UndoneDecision


class DecisionMethods:
    _connection: Connection

    def decide(
        self, decisions: Iterable[Decision | Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> DecisionSummary:
        """Decide about results; all decisions are kept, or none of them.

        Args:
            decisions: `Decision`s or mappings.
            idempotency_key: Your own key for the request; by default a new one.
        """
        return self._connection.send(calls.decide(decisions, idempotency_key))

    def undo(
        self, count: int = 1, *, by: str | None = None, idempotency_key: str | None = None
    ) -> tuple[UndoneDecision, ...]:
        """Take back a person's last decisions; returns them, the latest first.

        Args:
            count: How many, at most 50.
            by: The person; by default the API key's id.
            idempotency_key: Your own key for the request; by default a new one.
        """
        return self._connection.send(calls.undo(count, by, idempotency_key)).undone

    def decisions(self, *, since: str | None = None) -> Iterator[ToldDecision]:
        """Go through your tenant's decisions so far, in the order of their arrival.

        Args:
            since: The `cursor` of the last one that you have; by default all that the service has.
        """
        while page := self._connection.send(calls.decisions_page(since)).decisions:
            yield from page
            since = page[-1].cursor


class AsyncDecisionMethods:
    _connection: AsyncConnection

    async def decide(
        self, decisions: Iterable[Decision | Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> DecisionSummary:
        return await self._connection.send(calls.decide(decisions, idempotency_key))

    async def undo(
        self, count: int = 1, *, by: str | None = None, idempotency_key: str | None = None
    ) -> tuple[UndoneDecision, ...]:
        return (await self._connection.send(calls.undo(count, by, idempotency_key))).undone

    async def decisions(self, *, since: str | None = None) -> AsyncIterator[ToldDecision]:
        while page := (await self._connection.send(calls.decisions_page(since))).decisions:
            for decision in page:
                yield decision
            since = page[-1].cursor
