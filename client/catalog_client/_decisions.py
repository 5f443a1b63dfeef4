"""The methods of both clients that are about decisions."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from catalog_client import _calls as calls
from catalog_client._async_connection import AsyncConnection
from catalog_client._calls import BulkFilters
from catalog_client._connection import Connection
from catalog_client._decision_records import BulkDecision, Decision, DecisionSummary, ToldDecision, UndoneDecision
from catalog_client._item_records import Card
from catalog_client._records import Job


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

    def decide_all(
        self,
        job: str | Job,
        filters: BulkFilters,
        *,
        category: str | int | None = None,
        none_of_these: bool = False,
        note: str | None = None,
        by: str | None = None,
    ) -> BulkDecision:
        """Decide the same about all items of a filter about which nobody has decided; the job must have ended.

        The service does it in the background: `bulk_decision` tells how far it is.

        Args:
            job: The job.
            filters: Only items that are everything that is given; with `{}` all.
            category: What the items are: a code, a name, or a path of names.
            none_of_these: Whether no category fits.
            note: What would fit; beside `none_of_these` alone.
            by: The person; by default the API key's id.
        """
        said = {"category": category, "none_of_these": none_of_these, "note": note, "by": by}
        return self._connection.send(calls.decide_all(job, said, filters))

    def bulk_decision(self, bulk: str | BulkDecision) -> BulkDecision:
        """Return how far a decision about all items of a filter has got."""
        return self._connection.send(calls.bulk_decision(bulk))

    def undo_all(self, bulk: str | BulkDecision) -> BulkDecision:
        """Take an ended decision about all items of a filter back, in the background."""
        return self._connection.send(calls.undo_all(bulk))

    def undo(
        self, count: int = 1, *, by: str | None = None, idempotency_key: str | None = None
    ) -> tuple[UndoneDecision, ...]:
        """Take back a person's last decisions, with those about copies; returns them, the latest first.

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

    def next_cards(
        self,
        limit: int = 10,
        *,
        job_id: str | Job | None = None,
        category: str | None = None,
        minutes: int = 10,
        by: str | None = None,
        idempotency_key: str | None = None,
    ) -> tuple[Card, ...]:
        """Take the next items that need a look, each with its near copies; nobody else gets them meanwhile.

        Args:
            limit: How many cards, at most 50.
            job_id: Only items of this job; by default of all jobs.
            category: Only items answered with the category of this code, or with one below it.
            minutes: For how long they are reserved, at most 60.
            by: The person; by default the API key's id.
            idempotency_key: Your own key for the request; by default a new one.
        """
        call = calls.next_cards(limit, job_id, category, minutes, by, idempotency_key)
        return self._connection.send(call).cards

    def release(self, cards: Sequence[Card | tuple[str, int]] | None = None, *, by: str | None = None) -> int:
        """Give cards back that the person does not decide about; returns how many.

        Args:
            cards: The cards, or their items by job and index; by default all that the person has.
            by: The person; by default the API key's id.
        """
        return self._connection.send(calls.release(cards, by)).released


class AsyncDecisionMethods:
    _connection: AsyncConnection

    async def decide(
        self, decisions: Iterable[Decision | Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> DecisionSummary:
        return await self._connection.send(calls.decide(decisions, idempotency_key))

    async def decide_all(
        self,
        job: str | Job,
        filters: BulkFilters,
        *,
        category: str | int | None = None,
        none_of_these: bool = False,
        note: str | None = None,
        by: str | None = None,
    ) -> BulkDecision:
        said = {"category": category, "none_of_these": none_of_these, "note": note, "by": by}
        return await self._connection.send(calls.decide_all(job, said, filters))

    async def bulk_decision(self, bulk: str | BulkDecision) -> BulkDecision:
        return await self._connection.send(calls.bulk_decision(bulk))

    async def undo_all(self, bulk: str | BulkDecision) -> BulkDecision:
        return await self._connection.send(calls.undo_all(bulk))

    async def undo(
        self, count: int = 1, *, by: str | None = None, idempotency_key: str | None = None
    ) -> tuple[UndoneDecision, ...]:
        return (await self._connection.send(calls.undo(count, by, idempotency_key))).undone

    async def decisions(self, *, since: str | None = None) -> AsyncIterator[ToldDecision]:
        while page := (await self._connection.send(calls.decisions_page(since))).decisions:
            for decision in page:
                yield decision
            since = page[-1].cursor

    async def next_cards(
        self,
        limit: int = 10,
        *,
        job_id: str | Job | None = None,
        category: str | None = None,
        minutes: int = 10,
        by: str | None = None,
        idempotency_key: str | None = None,
    ) -> tuple[Card, ...]:
        call = calls.next_cards(limit, job_id, category, minutes, by, idempotency_key)
        return (await self._connection.send(call)).cards

    async def release(self, cards: Sequence[Card | tuple[str, int]] | None = None, *, by: str | None = None) -> int:
        return (await self._connection.send(calls.release(cards, by))).released
