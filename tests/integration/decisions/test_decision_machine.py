"""Decisions, undos, crashes and rebuilt indexes in random orders, against a real Redis and real files."""

import tempfile
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypothesis import settings
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

from api.decisions.index import DecisionIndex
from shared.ledger import AuditKind, DecidedItems, Decisions, Ledger, Memory, PromiseRecord
from shared.stores.decisions import Decision, DecisionKind, DecisionStore, in_force
from shared.stores.request_files import file_name
from tests.jobs import leased, opened, outcomes_of
from tests.redis_state import (
    forget_decision_turns,
    lose_decision_index,
    lose_decisions_of_job,
    memory_counted,
    memory_stored,
)

KEEP_S = 30 * 24 * 3600
TENANTS, PEOPLE, CODES = ("local", "acme"), ("anna", "ben"), ("10", "40", None)
ITEMS, UNSURE = 3, 2
"""Items of each tenant's job, of which the first ones need a review; the others are audited."""
RIGHT = "10"

people, tenants, items = st.sampled_from(PEOPLE), st.sampled_from(TENANTS), st.integers(0, ITEMS - 1)


@dataclass
class Model:
    """What should be known of a tenant."""

    job: str
    record: int
    """Bytes that its job counts beside what is stored of items."""
    log: list[tuple[str, str, int]] = field(default_factory=list)
    """All that was applied, in order: kind, person and item."""
    in_force: dict[int, list[tuple[int, str, str | None]]] = field(default_factory=lambda: defaultdict(list))
    """By item: number in the log, person and code of each decision that was not undone."""
    last: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    """By person: number in the log and item of all that can be undone."""
    unapplied: list[Decision] = field(default_factory=list)
    """In files that were written by processes that died."""
    read: list[tuple[str, str, int]] = field(default_factory=list)
    """What a reader has been told, page by page."""
    cursor: str | None = None

    def apply(self, decision: Decision) -> None:
        number, by, item = len(self.log), decision.by, decision.item_index
        self.log.append((decision.kind.value, by, item))
        if decision.kind is DecisionKind.UNDO:
            undone, of = self.last[by].pop()
            assert of == item
            self.in_force[item] = [one for one in self.in_force[item] if one[0] != undone]
            return
        self.last[by].append((number, item))
        if decision.decides:
            self.in_force[item].append((number, by, decision.code))

    def now(self) -> dict[int, tuple[str, str | None]]:
        """The decision in force of each decided item."""
        return {item: (made[-1][1], made[-1][2]) for item, made in self.in_force.items() if made}


class DecisionMachine(RuleBasedStateMachine):
    """Two people of each of two tenants decide, skip and undo; processes die; Redis loses what it knew."""

    client: Redis
    folder: Path

    @initialize()
    def start(self) -> None:
        self.client.flushdb()
        self.store = DecisionStore(tempfile.mkdtemp(dir=self.folder))
        self.ledger, self.decisions = Ledger(self.client), Decisions(self.client, KEEP_S)
        self.decided, self.memory = DecidedItems(self.client), Memory(self.client)
        self.record = PromiseRecord(self.client)
        self.processes = [self._process(), self._process()]
        self.models = {tenant: self._model(tenant) for tenant in TENANTS}

    def _process(self) -> DecisionIndex:
        """A process that has looked at all files: from then on, it only finds those that its requests are told of."""
        process = DecisionIndex(self.client, self.store, KEEP_S)
        process.catch_up()
        return process

    def _model(self, tenant: str) -> Model:
        job = opened(self.ledger, [ITEMS], tenant=tenant)
        lease = leased(self.ledger)
        unsure, audited = outcomes_of(lease, unsure=UNSURE)[:UNSURE], outcomes_of(lease)[UNSURE:]
        outcomes = [*unsure, *(replace(outcome, audited=AuditKind.DRAWN) for outcome in audited)]
        self.ledger.commit(lease, "one", outcomes)
        return Model(job, memory_counted(self.client, tenant)[job] - memory_stored(self.client, job))

    # People

    @rule(tenant=tenants, by=people, made=st.lists(st.tuples(items, st.sampled_from(CODES)), min_size=1, max_size=3))
    def decide(self, tenant: str, by: str, made: list[tuple[int, str | None]]) -> None:
        self._write(tenant, [self._decision(tenant, by, at, item, code) for at, (item, code) in enumerate(made)])

    @rule(tenant=tenants, by=people, item=items)
    def skip(self, tenant: str, by: str, item: int) -> None:
        self._write(tenant, [self._decision(tenant, by, 0, item, None, DecisionKind.SKIP)])

    @rule(tenant=tenants, by=people, count=st.integers(1, 3))
    def undo(self, tenant: str, by: str, count: int) -> None:
        self._write(tenant, None, by, count)

    @rule(tenant=tenants, by=people)
    def send_again(self, tenant: str, by: str) -> None:
        """A request with a key is sent twice: it is written once, and both are answered alike."""
        identifier, made = Ledger.new_id(), [self._decision(tenant, by, 0, 0, "10")]
        first, again = (process.write(tenant, identifier, lambda: made, repeatable=True) for process in self.processes)
        assert first == again
        self._have_written(tenant, made)

    # Processes

    @rule()
    def exchange_processes(self) -> None:
        self.processes.reverse()

    @rule(tenant=tenants, by=people, item=items, code=st.sampled_from(CODES))
    def die_between_file_and_index(self, tenant: str, by: str, item: int, code: str | None) -> None:
        turn = self.decisions.claim(tenant, Ledger.new_id(), repeatable=False)
        assert turn is not None
        decision = self._decision(tenant, by, 0, item, code)
        self.store.append(file_name(turn.moment / 1e6, turn.identifier), [decision])
        self.models[tenant].unapplied.append(decision)
        forget_decision_turns(self.client)

    @rule(tenant=tenants)
    def die_before_the_file(self, tenant: str) -> None:
        assert self.decisions.claim(tenant, Ledger.new_id(), repeatable=False)
        forget_decision_turns(self.client)

    @rule(of_jobs=st.booleans())
    def lose_the_index(self, of_jobs: bool) -> None:
        """Redis loses what it knew of decisions, perhaps of those of the jobs as well; another process begins."""
        lose_decision_index(self.client)
        if of_jobs:
            for model in self.models.values():
                lose_decisions_of_job(self.client, model.job, model.record)
        self.processes[0] = self._process()
        for model in self.models.values():
            self._apply_left(model)

    @rule()
    def rebuild(self) -> None:
        self.processes[0].rebuild()
        for model in self.models.values():
            self._apply_left(model)

    @precondition(lambda self: any(model.unapplied for model in self.models.values()))
    @rule()
    def look_again(self) -> None:
        """A process begins, which looks at all files."""
        self._process()
        for model in self.models.values():
            self._apply_left(model)

    # What must be so

    @invariant()
    def index_and_store_agree(self) -> None:
        stored = in_force(self.store.decisions())
        for tenant, model in self.models.items():
            self._items_are_right(tenant, model)
            checked = [*self.record.audited(tenant), *self.record.reviewed(tenant, 1)]
            assert {one.index: (one.right, one.audited is None) for one in checked} == {
                item: (code == RIGHT, item < UNSURE) for item, (_, code) in model.now().items()
            }
            told = [told.told for told in self.decisions.page(tenant, None, 1000)]
            assert len(told) == len(model.log), "nothing is lost or doubled"
            undoable = {by: [one.index for one in self.decisions.undoable(tenant, by, 99)] for by in PEOPLE}
            assert undoable == {by: [item for _, item in reversed(model.last[by])] for by in PEOPLE}
            if not model.unapplied:
                found = {one.item_index: (one.by, one.code) for one in stored if one.tenant == tenant}
                assert found == model.now()

    def _items_are_right(self, tenant: str, model: Model) -> None:
        job = self.ledger.job(model.job)
        found = self.decided.of(job, range(ITEMS))
        assert {item: (one.by, one.code) for item, one in found.items()} == model.now()
        identities = {_identity(item): item for item in range(ITEMS)}
        remembered = {identities[same]: one for same, one in self.memory.same(tenant, identities).items()}
        assert {item: (one.decided.by, one.decided.code) for item, one in remembered.items()} == model.now()
        near = {decided.place for decided in self.memory.near(tenant, identities).values()}
        assert near == {max(one.decided.place for one in remembered.values())} if remembered else not near
        others = {item: one.other.code for item, one in remembered.items() if one.other}
        contradicted = {item: _contradicted_last(made) for item, made in model.in_force.items()}
        assert others == {item: code for item, (is_so, code) in contradicted.items() if is_so}
        assert job.open == ITEMS - len(model.now())
        held = memory_counted(self.client, tenant)[model.job] - memory_stored(self.client, model.job)
        assert held == model.record

    @invariant()
    def a_reader_misses_and_repeats_nothing(self) -> None:
        """It reads one page of two at a time, whatever happened since the last one."""
        for tenant, model in self.models.items():
            for cursor, kept in self.decisions.page(tenant, model.cursor, 2):
                file, line = kept.split(" ", 1)
                decision = Decision.read(line.encode(), file)
                model.read.append((decision.kind.value, decision.by, decision.item_index))
                model.cursor = cursor
            assert model.read == model.log[: len(model.read)]

    def teardown(self) -> None:
        """In the end, everything is applied, and the reader has read it."""
        if not hasattr(self, "models"):
            return
        for tenant, model in self.models.items():
            self._write(tenant, [self._decision(tenant, "anna", 0, 0, "10")])
            while len(model.read) < len(model.log):
                self.a_reader_misses_and_repeats_nothing()
            assert model.read == model.log
        self.index_and_store_agree()

    # Helpers

    def _decision(
        self,
        tenant: str,
        by: str,
        at: int,
        item: int,
        code: str | None,
        kind: DecisionKind | None = None,
    ) -> Decision:
        kind = kind or (DecisionKind.CATEGORY if code else DecisionKind.NONE_OF_THESE)
        answer: dict[str, Any] = {"bundle": "one", "branch": "books", "guess": RIGHT, "confidence": 0.9}
        answer |= {"needs_review": True} if item < UNSURE else {"audited": AuditKind.DRAWN.value}
        job, right, same = self.models[tenant].job, code == RIGHT, _identity(item)
        return Decision(at, kind, tenant, by, job, item, code=code, right=right, identity=same, **answer)

    def _write(self, tenant: str, made: list[Decision] | None, by: str = "", count: int = 0) -> None:
        """Write these decisions, or those that undo this person's last ones."""

        def undone() -> list[Decision]:
            found = self.decisions.undoable(tenant, by, count)
            return [
                Decision(
                    at,
                    DecisionKind.UNDO,
                    tenant,
                    by,
                    one.job,
                    one.index,
                    undoes=one.place,
                    identity=_identity(one.index),
                )
                for at, one in enumerate(found)
            ]

        written = self.processes[0].write(
            tenant, Ledger.new_id(), undone if made is None else lambda: made, repeatable=False
        )
        assert written is not None
        self._have_written(tenant, written)

    def _have_written(self, tenant: str, written: list[Decision]) -> None:
        model = self.models[tenant]
        self._apply_left(model)
        for decision in written:
            model.apply(decision)

    def _apply_left(self, model: Model) -> None:
        for decision in model.unapplied:
            model.apply(decision)
        model.unapplied.clear()


def _identity(item: int) -> str:
    """The items are different, and near copies of one another."""
    return f"{item:032x}{1:016x}"


def _contradicted_last(made: list[tuple[int, str, str | None]]) -> tuple[bool, str | None]:
    """Whether the last decision is the first that contradicts what the other person said last, and what that was."""
    at_once = []
    for at, (_, by, code) in enumerate(made):
        of_other = [other for _, before, other in made[:at] if before != by]
        at_once.append(bool(of_other) and of_other[-1] != code)
    if at_once.count(True) != 1 or not at_once[-1]:
        return False, None
    return True, [other for _, before, other in made if before != made[-1][1]][-1]


def test_no_decision_is_lost_or_doubled_in_any_order(redis: Redis, tmp_path: Path) -> None:
    machine: Any = DecisionMachine
    machine.client, machine.folder = redis, tmp_path
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=25, deadline=None))
