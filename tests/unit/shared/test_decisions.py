"""Decisions: how they are kept, which of them are in force, and what trainings learn from them."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from shared.stores.decisions import Decision, DecisionKind, DecisionStore, in_force, learnable
from shared.stores.labels import LabelKind, LabelStore
from shared.stores.request_files import arrival, file_name
from worker.trainings.label_snapshot import copy_into

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
_JOB = "0" * 24
_DECISION = Decision(
    0, DecisionKind.CATEGORY, "shop", "anna", _JOB, 0, "sku", "10", guess="10", confidence=0.5, title="Livre"
)


def _name(second: float) -> str:
    return file_name(_NOON + second, f"{round(second):024x}")


def _made(second: int, **facts: object) -> Decision:
    return replace(_DECISION, file=_name(second), **facts)  # type: ignore[arg-type]


def _undone(second: int, target: Decision) -> Decision:
    return _made(second, kind=DecisionKind.UNDO, code=None, undoes=target.place)


def test_a_decision_is_read_as_it_was_stored(tmp_path: Path) -> None:
    store = DecisionStore((tmp_path / "store").as_uri())
    assert (store.names(), list(store.decisions())) == ([], [])
    whole = replace(
        _DECISION, note="à\nvoir\u2028", took_ms=1200, bundle="one", needs_review=True, picture="f" * 64, index=7
    )
    store.append(_name(1), [_DECISION, whole])
    store.append(_name(86_400), [_DECISION])
    assert list(store.decisions()) == [
        replace(_DECISION, file=_name(1)),
        replace(whole, file=_name(1)),
        replace(_DECISION, file=_name(86_400)),
    ]
    assert store.names(arrival(_name(86_400))) == [_name(86_400)]
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["decisions"], "older releases read labels/"
    later = replace(whole, file=_name(1.000_001))
    assert (whole.index, later.place) == (7, f"{round(_NOON) + 1}000001-000007")


def test_the_latest_decision_of_an_item_is_in_force_unless_undone() -> None:
    first, other = _made(1), _made(2, code="40", by="ben")
    skipped = _made(3, kind=DecisionKind.SKIP, code=None)
    assert in_force([first, other, skipped]) == [other]
    assert in_force([first, other, _undone(4, other)]) == [first]
    assert in_force([first, other, _undone(4, other), _undone(5, first)]) == []
    assert in_force([first, other, _undone(4, first)]) == [other]
    assert in_force([other, first]) == [other], "the order of arrival counts, not that of the argument"


def test_trainings_learn_categories_in_force_of_items_that_are_kept() -> None:
    decisions = [
        _made(1),
        _made(2, item_index=1, code="40"),
        _made(3, item_index=2, title=None),
        _made(4, item_index=3, kind=DecisionKind.NONE_OF_THESE, code=None),
        _made(5, item_index=4),
    ]
    confirmed, corrected = learnable([*decisions, _undone(6, decisions[-1])])
    assert (confirmed.code, confirmed.title, confirmed.by, confirmed.kind) == (
        "10",
        "Livre",
        "anna",
        LabelKind.CONFIRMATION,
    )
    assert (corrected.code, corrected.kind, corrected.guess) == ("40", LabelKind.CORRECTION, "10")


def test_a_training_gets_the_decisions_in_force_beside_the_labels(tmp_path: Path) -> None:
    labels, decisions = LabelStore(str(tmp_path / "store")), DecisionStore(str(tmp_path / "store"))
    folder = tmp_path / "copy"
    assert not copy_into(folder, labels)
    picture = labels.put_picture(b"picture")
    kept, undone = replace(_DECISION, picture=picture), replace(_DECISION, item_index=1, index=1)
    decisions.append(_name(1), [kept, undone])
    decisions.append(_name(2), [_undone(2, replace(undone, file=_name(1)))])
    assert copy_into(folder, labels)
    (label,) = LabelStore(str(folder)).labels()
    assert (label.title, label.code, label.at) == ("Livre", "10", arrival(_name(1)))
    assert LabelStore(str(folder)).picture(picture) == b"picture"
    assert labels.names() == [], "the store has what people sent, and no more"
    (name,) = LabelStore(str(folder)).names()
    assert copy_into(folder, labels)
    assert LabelStore(str(folder)).names() == [name]
