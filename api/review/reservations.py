"""Reserves the next items that need a look for a person, and gives back those that the person does not decide about."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple, TypeVar

from fastapi.concurrency import run_in_threadpool
from pydantic import TypeAdapter

from api.access.ownership import owned
from api.decisions.submission import DecisionSubmissions
from api.dependencies import service
from api.http.problems import results_expired
from api.jobs.render import item_out
from api.lifecycle.names import Names
from api.lifecycle.times import time_of
from api.review.schemas import SHOWN_COPIES, CardOut, CopiesOut, CopyOut, NextCardsIn, NextCardsOut
from shared.ledger import (
    KEEP_ANSWERS_S,
    CardsWanted,
    Claim,
    Idempotency,
    ItemList,
    Job,
    JobNotFoundError,
    KnownItem,
    Ledger,
    OpenItem,
    QueuedItem,
    ResultsGoneError,
    ReviewQueue,
)

T = TypeVar("T")


class TakenCard(NamedTuple):
    """A card as it was taken, without what is known of its items."""

    item: OpenItem
    copies: int
    shown: list[OpenItem]
    until: float


_TAKEN = TypeAdapter(list[TakenCard])


@dataclass(frozen=True)
class Reservations:
    ledger: Ledger
    items: ItemList
    queue: ReviewQueue
    idempotency: Idempotency

    async def take(
        self,
        tenant: str,
        by: str,
        options: NextCardsIn,
        names: Names,
        decisions: DecisionSubmissions,
        claim: Claim | None,
    ) -> NextCardsOut:
        """Reserve cards for a person, and tell what is known of their items.

        Raises:
            JobNotFoundError: The job is not the tenant's.
            Problem: Its results are gone, or it is not known what is decided.
        """
        taken_cards = await run_in_threadpool(self._take, tenant, by, options, names, decisions)
        if claim is not None:
            answer = _TAKEN.dump_json(taken_cards).decode()
            fingerprint = fingerprint_of(options, by)
            await run_in_threadpool(self.idempotency.settle, claim, answer, fingerprint, KEEP_ANSWERS_S)
        return await run_in_threadpool(self._told, taken_cards, names)

    async def again(self, answer: str, names: Names) -> NextCardsOut:
        """Return the cards that an earlier request with the same key was given, as they are now."""
        return await run_in_threadpool(self._told, _TAKEN.validate_json(answer), names)

    def release(self, tenant: str, by: str, items: Sequence[tuple[str, int]] = ()) -> int:
        """Give back cards of a person, or all of them; return how many."""
        return self.queue.give_back(tenant, by, items)

    def _take(
        self, tenant: str, by: str, options: NextCardsIn, names: Names, decisions: DecisionSubmissions
    ) -> list[TakenCard]:
        if options.job_id is not None and owned(self.ledger, options.job_id, tenant).results_gone:
            raise results_expired(options.job_id)
        decisions.catch_up()  # what is decided must not be handed out
        wanted = CardsWanted(
            limit=options.limit,
            seconds=options.minutes * 60,
            job=options.job_id,
            codes=None if options.category is None else names.branch(options.category),
            last=decisions.last_seen(tenant, by),
        )
        taken = self.queue.take(tenant, by, wanted)
        return [
            TakenCard(card.item, len(card.copies), list(card.copies[:SHOWN_COPIES]), taken.until)
            for card in taken.cards
        ]

    def _told(self, taken_cards: Sequence[TakenCard], names: Names) -> NextCardsOut:
        known = self._at([card.item for card in taken_cards], self.items.at)
        copies = self._at([copy for card in taken_cards for copy in card.shown], self.items.sent_at)
        cards = [card for card in taken_cards if card.item.place in known]
        return NextCardsOut(cards=[_card_out(card, known[card.item.place], copies, names) for card in cards])

    def _at(
        self, items: Sequence[OpenItem], read: Callable[[Job, Mapping[int, Collection[int]]], dict[int, T]]
    ) -> dict[tuple[str, int], T]:
        """Return what is read of these items, without those that are gone since."""
        wanted = defaultdict[str, dict[int, set[int]]](lambda: defaultdict(set))
        for job_id, index, chunk in items:
            wanted[job_id][chunk].add(index)
        found = dict[tuple[str, int], T]()
        for job_id, chunks in wanted.items():
            try:
                of_job = read(self.ledger.job(job_id), chunks)
            except (JobNotFoundError, ResultsGoneError):
                continue
            found |= {(job_id, index): one for index, one in of_job.items()}
        return found


def fingerprint_of(options: NextCardsIn, by: str) -> str:
    """Return what tells a request with an idempotency key from another one."""
    return hashlib.sha256(options.model_copy(update={"by": by}).model_dump_json().encode()).hexdigest()


def _card_out(card: TakenCard, item: KnownItem, copies: Mapping[tuple[str, int], QueuedItem], names: Names) -> CardOut:
    job_id, index, _ = card.item
    shown = [(copy.job, copies[copy.place]) for copy in card.shown if copy.place in copies]
    return CardOut(
        job_id=job_id,
        index=index,
        item=item_out(job_id, item, names.in_results(item.bundle)),
        copies=CopiesOut(count=card.copies, items=[_copy_out(job, copy) for job, copy in shown]),
        reserved_until=time_of(card.until),
    )


def _copy_out(job_id: str, copy: QueuedItem) -> CopyOut:
    return CopyOut(job_id=job_id, index=copy.index, id=copy.id, title=copy.title)


ReservationsDep = Annotated[
    Reservations,
    service(
        lambda stores: Reservations(
            Ledger(stores.redis), ItemList(stores.redis), stores.review, Idempotency(stores.redis)
        )
    ),
]
