"""Decisions about a job's items in the ledger, which is told of them file by file."""

from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from shared.ledger import (
    CursorError,
    Decided,
    DecidedItems,
    DecisionAction,
    DecisionRow,
    Decisions,
    DecisionsGoneError,
    DecisionTurn,
    ItemList,
    ItemOrder,
    Ledger,
    Wanted,
)
from tests.jobs import leased, opened, outcomes_of
from tests.redis_state import (
    decisions_last,
    expire_results,
    forget_decision_turns,
    forget_told_decisions,
    job_keys,
    lose_part,
    memory_counted,
    memory_stored,
)

ID = "0" * 24


@pytest.fixture
def decisions(redis: Redis) -> Decisions:
    return Decisions(redis, 3600)


@pytest.fixture
def job(ledger: Ledger) -> str:
    """A job of three items, of which the first two need a review."""
    return _done(ledger)


def _done(ledger: Ledger, items: int = 3) -> str:
    job = opened(ledger, [items])
    lease = leased(ledger)
    ledger.commit(lease, "one", outcomes_of(lease, unsure=2))
    return job


def _row(job: str, index: int, code: str | None = "40", by: str = "anna", **facts: Any) -> DecisionRow:
    row = DecisionRow(job, index, DecisionAction.DECIDE, "", by, "told", code, needs_review=index < 2)
    return replace(row, **facts)


def _undo(job: str, index: int, undoes: str, by: str = "anna") -> DecisionRow:
    return _row(job, index, by=by, action=DecisionAction.UNDO, undoes=undoes)


def _turn(decisions: Decisions, tenant: str = "local", identifier: str = ID) -> DecisionTurn:
    turn = decisions.claim(tenant, identifier, repeatable=True)
    assert turn is not None
    return turn


def apply(decisions: Decisions, *rows: DecisionRow) -> list[str]:
    """Apply these as one file; return their places."""
    turn = _turn(decisions)
    placed = [replace(row, place=f"{turn.moment:016d}-{at:06d}", told=f"told {at}") for at, row in enumerate(rows)]
    decisions.apply("local", f"file {turn.moment}", turn.moment, placed, turn)
    return [row.place for row in placed]


def _codes(redis: Redis, ledger: Ledger, job: str) -> dict[int, str | None]:
    return {index: one.code for index, one in DecidedItems(redis).of(ledger.job(job), [0, 1, 2]).items()}


def test_the_last_decision_of_an_item_is_in_force(decisions: Decisions, ledger: Ledger, redis: Redis, job: str) -> None:
    assert (ledger.job(job).open, ledger.job(job).decisions, _codes(redis, ledger, job)) == (2, 0, {})
    apply(decisions, _row(job, 0), _row(job, 2))
    place, _ = apply(decisions, _row(job, 0, None, "ben", note="è\n?"), _row(job, 1, action=DecisionAction.SKIP))
    assert _codes(redis, ledger, job) == {0: None, 2: "40"}
    assert (ledger.job(job).open, ledger.job(job).decisions) == (1, 3)
    assert DecidedItems(redis).of(ledger.job(job), [0])[0] == Decided(place, None, "ben", "è\n?")
    assert abs(Decided(place, None, "ben").at - ledger.now()) < 60


def test_undoing_restores_the_decision_before(decisions: Decisions, ledger: Ledger, redis: Redis, job: str) -> None:
    (first,) = apply(decisions, _row(job, 0, "10"))
    (second,) = apply(decisions, _row(job, 0, "40", "ben"))
    assert [one.place for one in decisions.undoable("local", "ben", 50)] == [second]
    apply(decisions, _undo(job, 0, second, "ben"))
    assert (_codes(redis, ledger, job), ledger.job(job).open) == ({0: "10"}, 1)
    assert decisions.undoable("local", "ben", 50) == []
    apply(decisions, _undo(job, 0, first))
    assert (_codes(redis, ledger, job), ledger.job(job).open) == ({}, 2)


def test_only_the_last_fifty_decisions_of_a_person_can_be_undone(decisions: Decisions, job: str) -> None:
    places = apply(decisions, *[_row(job, at % 3) for at in range(52)])
    found = decisions.undoable("local", "anna", 100)
    assert [one.place for one in found] == places[:1:-1]
    assert (found[0].job, found[0].index) == (job, 0)
    assert decisions.undoable("other", "anna", 100) == []


def test_a_file_is_applied_once(decisions: Decisions, ledger: Ledger, redis: Redis, job: str) -> None:
    turn = _turn(decisions)
    rows = [_row(job, 0, place=f"{turn.moment:016d}-000000")]
    for _ in range(2):
        decisions.apply("local", "file", turn.moment, rows, turn)
    assert (ledger.job(job).decisions, len(decisions.page("local", None, 9))) == (1, 1)
    assert decisions.applied() == {"file"}


def test_many_decisions_are_applied_in_steps(decisions: Decisions, ledger: Ledger) -> None:
    job = _done(ledger, 1200)
    places = apply(decisions, *[_row(job, at) for at in range(1200)])
    assert (ledger.job(job).decisions, ledger.job(job).open) == (1200, 0)
    assert [told.cursor for told in decisions.page("local", places[998], 1000)] == places[999:]


def test_a_tenants_requests_take_turns(decisions: Decisions, redis: Redis) -> None:
    turn = _turn(decisions)
    assert decisions.claim("local", ID, repeatable=False) is None
    other = _turn(decisions, "other", "1" * 24)
    assert other.moment > turn.moment
    decisions.release(turn, [turn.moment])
    again = _turn(decisions)
    assert (again.earlier, again.unapplied) == ([turn.moment], []), "it may have been written before"
    forget_decision_turns(redis)
    decisions.release(again)
    late = _turn(decisions)
    assert late.unapplied == [(again.moment, ID)], "its process may have ended behind the file's last byte"
    decisions.release(again)
    assert decisions.claim("local", ID, repeatable=False) is None, "a turn that was lost is not given back"


def test_the_moments_of_files_grow_though_the_clock_goes_back(decisions: Decisions, redis: Redis) -> None:
    turn = _turn(decisions)
    decisions.release(turn)
    ahead = turn.moment + 10**9
    decisions_last(redis, ahead)
    assert _turn(decisions).moment == ahead + 1


def test_decisions_are_told_in_the_order_of_arrival(decisions: Decisions, redis: Redis, job: str) -> None:
    first, second = apply(decisions, _row(job, 0), _row(job, 1, action=DecisionAction.SKIP))
    (third,) = apply(decisions, _undo(job, 0, first))
    assert [told.cursor for told in decisions.page("local", None, 9)] == [first, second, third]
    assert decisions.page("local", None, 1)[0].told == "told 0"
    assert [told.cursor for told in decisions.page("local", first, 1)] == [second]
    assert decisions.page("local", third, 9) == []
    assert decisions.page("other", None, 9) == []
    for wrong in ("x", "1-2", f"{third} "):
        with pytest.raises(CursorError):
            decisions.page("local", wrong, 9)
    forget_told_decisions(redis, "local", third)
    with pytest.raises(DecisionsGoneError):
        decisions.page("local", first, 9)
    assert decisions.page("local", third, 9) == []


def test_a_decision_that_is_applied_late_is_told_last(decisions: Decisions, job: str) -> None:
    (early,) = apply(decisions, _row(job, 0))
    (after,) = apply(decisions, _row(job, 0))
    late = f"{int(early[:16]) + 1:016d}-000000"
    assert early < late < after
    decisions.apply("local", "late", int(late[:16]), [_row(job, 0, "10", place=late)])
    told = decisions.page("local", after, 9)
    assert (len(told), told[0].cursor > after) == (1, True)
    assert decisions.page("local", told[0].cursor, 9) == []


def test_decisions_last_as_long_as_results(decisions: Decisions, ledger: Ledger, redis: Redis) -> None:
    job = opened(ledger, [2, 1])
    lease = leased(ledger)
    ledger.commit(lease, "one", outcomes_of(lease, unsure=2))
    apply(decisions, _row(job, 0))
    key = next(key for key in job_keys(redis, job) if key.endswith(b":decided"))
    # A process of the release before that ends the job lets them expire no earlier than results.
    assert redis.ttl(key) > 3600 + 3600
    last = leased(ledger)
    ledger.commit(last, "one", outcomes_of(last))
    assert 3600 < redis.ttl(key) <= 3600 + 600
    apply(decisions, _row(job, 1))
    assert 3600 < redis.ttl(key) <= 3600 + 600


def test_decisions_of_a_job_without_results_are_told_alone(
    decisions: Decisions, ledger: Ledger, redis: Redis, job: str
) -> None:
    expire_results(redis, job)
    lose_part(redis, job, "order")
    apply(decisions, _row(job, 0), _row("f" * 24, 0))
    assert ledger.job(job).decisions == 0
    assert len(decisions.page("local", None, 9)) == 2
    assert job_keys(redis, "f" * 24) == []


def test_the_memory_of_decisions_is_counted(decisions: Decisions, ledger: Ledger, redis: Redis, job: str) -> None:
    record = memory_counted(redis, "local")[job] - memory_stored(redis, job)
    places = apply(decisions, _row(job, 0, note="x" * 100), _row(job, 0, by="ben"))
    assert memory_counted(redis, "local")[job] - memory_stored(redis, job) == record
    apply(decisions, _undo(job, 0, places[0]))
    assert memory_counted(redis, "local")[job] - memory_stored(redis, job) == record


def test_items_are_chosen_by_their_decisions(decisions: Decisions, ledger: Ledger, redis: Redis, job: str) -> None:
    apply(decisions, _row(job, 0), _row(job, 2, by="ben"))
    items, now = ItemList(redis), ledger.job(job)

    def found(**wanted: Any) -> list[int]:
        return [one.outcome.index for one in items.page(now, Wanted(**wanted), ItemOrder.SENT).items]

    assert (found(decided=True), found(decided=False)) == ([0, 2], [1])
    assert (found(decided_by="ben"), found(decided_by="ben", decided=False)) == ([2], [])
    assert found(decided=False, needs_review=True) == [1]
    by = [one.decided and one.decided.by for one in items.page(now, Wanted()).items]
    assert by == ["anna", None, "ben"]
    assert set(items.items(now, [2, 0, 7])) == {0, 2}


def test_the_index_is_made_again_from_the_files(decisions: Decisions, ledger: Ledger, redis: Redis, job: str) -> None:
    moment, rows = 10**15, [_row(job, 0, place=f"{10**15}-000000"), _row(job, 1, place=f"{10**15}-000001")]
    undo = replace(_undo(job, 1, rows[1].place), place=f"{10**15 + 1}-000000")

    def read() -> Any:
        told = decisions.page("local", None, 9)
        return told, decisions.undoable("local", "anna", 9), _codes(redis, ledger, job), ledger.job(job).open

    def made() -> Any:
        decisions.apply("local", "one", moment, rows)
        decisions.apply("local", "two", moment + 1, [undo])
        return read()

    before = made()
    assert decisions.begin_building()
    assert not decisions.begin_building(), "another process has to wait"
    assert (read()[:2], decisions.applied(), decisions.built()) == (([], []), set(), False)
    assert made() == before
    decisions.end_building(complete=True)
    assert decisions.built()
