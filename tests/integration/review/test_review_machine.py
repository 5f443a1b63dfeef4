"""Two people take cards, decide, skip, undo and give back in random orders, over HTTP, with a real Redis and files."""

import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import httpx
from hypothesis import settings as runs
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from shared.ledger import Ledger
from shared.settings import Settings
from shared.stores.decisions import DecisionStore, in_force
from tests.http import local_client
from tests.integration.decisions.conftest import decided, open_items, undo
from tests.integration.review.conftest import Answered, job_of, released, taken
from tests.redis_state import expire_reservations

PEOPLE = ("anna", "ben")
NAMES = ("Chemise lin", "Lampe bureau", "Tapis laine", "Vase")
"""Products that come in variants; the last one has too few words, so that it is only like itself."""

people, new_items = st.sampled_from(PEOPLE), st.lists(st.sampled_from(NAMES), min_size=1, max_size=4)

Place = tuple[int, int]
"""A job's number and an item's index: ids are random, and hypothesis repeats what it draws."""


class ReviewMachine(RuleBasedStateMachine):
    client: httpx.Client
    redis: Redis
    labels: Path

    @initialize(items=new_items)
    def start(self, items: list[str]) -> None:
        self.redis.flushdb()
        shutil.rmtree(self.labels, ignore_errors=True)
        self.ledger, self.store = Ledger(self.redis), DecisionStore(self.labels.as_uri())
        self.jobs: list[str] = []
        self.groups: dict[Place, str] = {}
        """What variants share, by item."""
        self.decisions: dict[Place, list[tuple[int, str]]] = defaultdict(list)
        """By item: number and person of each decision that was not undone."""
        self.last: dict[str, list[tuple[int, Place, list[Place]]]] = {person: [] for person in PEOPLE}
        """By person: number, item and copies of what can be undone."""
        self.held: dict[Place, tuple[str, Place]] = {}
        """By reserved item: who has it, and the item of its card."""
        self.number = 0
        self.add(items)

    @precondition(lambda self: len(self.groups) < 16)
    @rule(items=new_items)
    def add(self, items: list[str]) -> None:
        titles = [name if name == "Vase" else f"{name} {len(self.groups) + at}" for at, name in enumerate(items)]
        self.groups |= {(len(self.jobs), index): name for index, name in enumerate(items)}
        self.jobs.append(job_of(self.client, self.ledger, [Answered(title) for title in titles]))

    # People

    @rule(by=people, limit=st.integers(1, 3))
    def take(self, by: str, limit: int) -> None:
        cards = taken(self.client, by=by, limit=limit)
        for card in cards:
            item = self._place(card)
            members = [item, *map(self._place, card["copies"]["items"])]
            assert card["copies"]["count"] == len(members) - 1
            assert not {*members} & self.held.keys(), "somebody has an item of it"
            assert {*members} == {one for one in self.open() if self.groups[one] == self.groups[item]}
            self.held |= dict.fromkeys(members, (by, item))
        if len(cards) < limit:
            groups = {self.groups[item] for item in self.held}
            assert all(self.groups[item] in groups for item in self.open()), "nothing is lost"

    @precondition(lambda self: self.held)
    @rule(data=st.data(), copies=st.sampled_from(["all", "none", "some"]))
    def decide_what_one_has(self, data: st.DataObject, copies: str) -> None:
        by, item = data.draw(st.sampled_from(sorted({*self.held.values()})))
        rest = [one for one, (_, of) in self.held.items() if of == item and one != item]
        also = rest[:1] if copies == "some" else []
        self._decide(by, item, copies=copies == "all", also=also)

    @rule(data=st.data(), by=people, copies=st.booleans())
    def decide_what_one_sees(self, data: st.DataObject, by: str, copies: bool) -> None:
        """Nobody need have reserved it."""
        self._decide(by, data.draw(st.sampled_from(sorted(self.groups))), copies=copies, also=[])

    def _decide(self, by: str, item: Place, *, copies: bool, also: list[Place]) -> None:
        free = {one for one in self.open() if one not in self.held or self.held[one] == (by, item)}
        found = {one for one in free if copies and self.groups[one] == self.groups[item]} - {item}
        named = [self._named(one) for one in also]
        decision = {**self._named(item), "category": "40", "copies": copies, "by": by}
        out = decided(self.client, {**decision, "also": named} if named else decision)
        assert out["copies"] == len(found) + len(also)
        self.number += 1
        for one in (item, *found, *also):
            self.decisions[one].append((self.number, by))
            self._give_back(one)
        self.last[by].append((self.number, item, [*found, *also]))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), by=people)
    def skip(self, data: st.DataObject, by: str) -> None:
        item = data.draw(st.sampled_from(sorted(self.held)))
        decided(self.client, {**self._named(item), "skip": True, "by": by})
        self.number += 1
        self._give_back(item)
        self.last[by].append((self.number, item, []))

    @rule(by=people, count=st.integers(1, 2))
    def undo(self, by: str, count: int) -> None:
        undone = undo(self.client, count, by=by)
        expected = self.last[by][: -count - 1 : -1]
        assert [(self._place(one), one["copies"]) for one in undone] == [
            (item, len(copies)) for _, item, copies in expected
        ]
        for number, item, copies in expected:
            self.last[by].pop()
            for one in (item, *copies):
                self.decisions[one] = [each for each in self.decisions[one] if each[0] != number]

    @rule(by=people)
    def give_all_back(self, by: str) -> None:
        cards = {item for person, item in self.held.values() if person == by}
        assert released(self.client, by=by) == len(cards)
        self.held = {one: held for one, held in self.held.items() if held[0] != by}

    @rule()
    def expire(self) -> None:
        expire_reservations(self.redis)
        self.held.clear()

    # What must be so

    def open(self) -> set[Place]:
        return {item for item in self.groups if not self.decisions[item]}

    @invariant()
    def all_decisions_are_in_force_once(self) -> None:
        made = {item: each[-1][1] for item, each in self.decisions.items() if each}
        stored = in_force(self.store.decisions()) if self.labels.exists() else []
        assert {(self.jobs.index(one.job), one.item_index): one.by for one in stored} == made

    @invariant()
    def jobs_count_what_is_open(self) -> None:
        for number, job in enumerate(self.jobs):
            assert open_items(self.client, job) == sum(item[0] == number for item in self.open())

    def teardown(self) -> None:
        """In the end, whatever is open comes back to somebody."""
        if not hasattr(self, "groups"):
            return
        self.expire()
        found = taken(self.client, by="carla", limit=50)
        items = [self._place(one) for card in found for one in (card, *card["copies"]["items"])]
        assert (len(items), {*items}) == (len(self.open()), self.open())

    def _place(self, told: Any) -> Place:
        return self.jobs.index(told["job_id"]), told["index"]

    def _named(self, item: Place) -> dict[str, Any]:
        return {"job_id": self.jobs[item[0]], "index": item[1]}

    def _give_back(self, item: Place) -> None:
        """Give an item back alone, or, with a card's own item, the whole card."""
        self.held = {one: held for one, held in self.held.items() if item not in (one, held[1])}


def test_no_item_is_handed_to_two_or_lost_or_decided_twice(redis: Redis, settings: Settings, tmp_path: Path) -> None:
    roomy = settings.model_copy(update={"max_labels": 200})
    machine: Any = ReviewMachine
    with local_client(roomy) as client:
        machine.client, machine.redis, machine.labels = client, redis, tmp_path / "labels"
        run_state_machine_as_test(
            machine, settings=runs(max_examples=25, stateful_step_count=20, deadline=None, print_blob=False)
        )
