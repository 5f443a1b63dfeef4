"""The gate's conditions, one by one, on answers that are made for them."""

import numpy as np
import numpy.typing as npt
import pytest

from shared.model.fusion import Probabilities
from shared.model.known import KnownItems
from shared.model.review import Review
from shared.pipeline.params import GateParams, load_params
from shared.taxonomy import CODES
from training.judge.gate_checks import (
    Answers,
    check_calibration,
    check_classes,
    check_coverage,
    check_f1,
    check_first_f1,
    check_held_out,
    check_labels,
    check_latency,
)
from training.judge.held_out import HeldOut, compare_labels, hold_out
from training.judge.latency import Latency
from training.pipeline.prepared import Items

ITEMS, CLASSES = 1200, 6
PARAMS: GateParams = load_params().gate
ACTUAL = np.arange(ITEMS) % CLASSES

Rows = npt.NDArray[np.int64]


def items(classes: Rows) -> Items:
    rows = np.arange(len(classes))
    return Items(
        rows,
        identities=(rows + 1000).astype(np.uint64),
        words=[["mot"]] * len(rows),
        features=np.zeros((len(rows), 1), np.float16),
        classes=classes,
    )


def known(catalogue: Items, *, learned: Rows | None = None) -> KnownItems:
    """What a training on these items leaves in its bundle."""
    taken = np.zeros(len(catalogue), bool)
    taken[[] if learned is None else learned] = True
    return KnownItems(catalogue.identities, np.array(CODES)[catalogue.classes], taken)


def answers(wrong: Rows, confidence: float = 0.9, threshold: float = 0.8) -> Answers:
    """Right but for these rows, which get the next class; all equally sure."""
    said = ACTUAL.copy()
    said[wrong] = (said[wrong] + 1) % CLASSES
    fused: Probabilities = np.full((ITEMS, len(CODES)), (1 - confidence) / (len(CODES) - 1), np.float32)
    fused[np.arange(ITEMS), said] = confidence
    return Answers(fused, Review(threshold=threshold, precision=0.9, coverage=1))


def every(step: int) -> Rows:
    return np.arange(0, ITEMS, step)


def all_held_out(confirmed: Rows | None = None) -> HeldOut:
    found = hold_out(items(ACTUAL), None)
    chosen = np.zeros(ITEMS, bool)
    chosen[[] if confirmed is None else confirmed] = True
    return HeldOut(found.items, chosen, 0, 0, champion_tells=True)


def test_items_the_champion_learned_are_left_out() -> None:
    test = items(ACTUAL[:10])
    found = hold_out(test, known(test, learned=np.array([0, 3])))
    assert (len(found.items), found.learned, found.disputed) == (8, 2, 0)
    assert set(test.identities[[0, 3]].tolist()).isdisjoint(found.items.identities.tolist())
    assert found.confirmed.all()


def test_items_with_a_changed_label_are_left_out() -> None:
    before, changed = items(ACTUAL[:10]), ACTUAL[:10].copy()
    changed[[1, 2]] = (changed[[1, 2]] + 1) % CLASSES
    found = hold_out(items(changed), known(before))
    assert (len(found.items), found.disputed) == (8, 2)
    assert (found.items.classes == np.delete(changed, [1, 2])).all()


def test_items_unknown_to_the_champion_are_held_out_but_not_confirmed() -> None:
    found = hold_out(items(ACTUAL[:10]), known(items(ACTUAL[:4])))
    assert found.confirmed.tolist() == [True] * 4 + [False] * 6


def test_the_gate_says_when_the_champion_lists_no_known_items() -> None:
    found = hold_out(items(ACTUAL), None)
    check = check_held_out(found, PARAMS, champion=True)
    assert check.passed
    assert "may have an advantage" in check.detail


def test_too_few_held_out_items_are_refused() -> None:
    check = check_held_out(hold_out(items(ACTUAL[:50]), None), PARAMS, champion=False)
    assert not check.passed
    assert "50 held-out items (at least 200)" in check.detail


def relabelled(rows: Rows) -> bool:
    labels = ACTUAL.copy()
    labels[rows] = (labels[rows] + 1) % CLASSES
    return check_labels(*compare_labels(known(items(labels)), known(items(ACTUAL))), PARAMS).passed


def test_few_relabelled_items_pass_and_many_are_refused() -> None:
    assert relabelled(every(50))
    assert not relabelled(every(4))


def test_a_relabelled_type_is_refused() -> None:
    few = np.flatnonzero(ACTUAL == 2)[::4]
    assert len(few) / ITEMS < PARAMS.relabelled.share
    assert relabelled(few)
    labels = np.where(np.arange(ITEMS) < 40, CLASSES, ACTUAL)  # a type of 40 items, of which 20 change
    changed = np.where(np.arange(ITEMS) < 20, 0, labels)
    check = check_labels(*compare_labels(known(items(changed)), known(items(labels))), PARAMS)
    assert check.figures["share"] < PARAMS.relabelled.share
    assert not check.passed
    assert f"of {CODES[CLASSES]} (" in check.detail


def test_labels_of_another_catalogue_cannot_be_compared() -> None:
    here, elsewhere = items(ACTUAL), items(ACTUAL)
    elsewhere.identities[:] += ITEMS
    check = check_labels(*compare_labels(known(here), known(elsewhere)), PARAMS)
    assert check.passed
    assert "no label can be compared" in check.detail


def test_copies_with_several_labels_count_as_unchanged() -> None:
    twice = KnownItems(np.array([5, 5], np.uint64), np.array([10, 40]), np.array([False, False]))
    once = KnownItems(np.array([5], np.uint64), np.array([40]), np.array([False]))
    assert compare_labels(once, twice)[0].changed == 0
    assert compare_labels(twice, once)[0].changed == 0


@pytest.mark.parametrize(("champion", "challenger", "passed"), [(5, 10, True), (5, 5, True), (10, 5, False)])
def test_weighted_f1_passes_if_equal_or_better(champion: int, challenger: int, passed: bool) -> None:
    check = check_f1(answers(every(champion)), answers(every(challenger)), all_held_out(), PARAMS)
    assert check.passed == passed
    assert check.figures["low"] <= check.figures["gain"] <= check.figures["high"]


def test_an_uncertain_difference_is_refused() -> None:
    """Equal on the whole, but wrong about other items: on so few that may be chance."""
    one, other = answers(np.arange(0, ITEMS, 3)), answers(np.arange(1, ITEMS, 3))
    assert not check_f1(one, other, all_held_out(), PARAMS).passed
    assert check_f1(one, one, all_held_out(), PARAMS).passed


def test_a_loss_on_confirmed_items_is_refused() -> None:
    new, old = np.arange(600), np.arange(600, ITEMS)
    champion, challenger = answers(new[::2]), answers(old[::6])
    assert check_f1(champion, challenger, all_held_out(), PARAMS).passed
    assert not check_f1(champion, challenger, all_held_out(confirmed=old), PARAMS).passed
    few = all_held_out(confirmed=old[: PARAMS.min_items - 1])
    assert check_f1(champion, challenger, few, PARAMS).passed


def test_the_first_model_needs_a_minimum_f1() -> None:
    assert check_first_f1(answers(every(3)), ACTUAL, PARAMS).passed
    assert not check_first_f1(answers(np.arange(700)), ACTUAL, PARAMS).passed


def test_a_type_that_loses_f1_is_refused_and_named() -> None:
    fallen = np.flatnonzero(ACTUAL == 4)[::2]
    check = check_classes(answers(every(10)), answers(fallen), ACTUAL, PARAMS)
    assert not check.passed
    assert str(CODES[4]) in check.detail
    assert check_classes(answers(every(10)), answers(every(9)), ACTUAL, PARAMS).passed


def test_types_with_few_items_are_not_judged() -> None:
    strict = PARAMS.model_copy(update={"classes": PARAMS.classes.model_copy(update={"min_items": ITEMS})})
    check = check_classes(answers(every(10)), answers(np.flatnonzero(ACTUAL == 4)), ACTUAL, strict)
    assert check.passed
    assert check.figures == {"judged": 0}


def test_a_badly_calibrated_model_is_refused() -> None:
    honest, boastful = answers(every(10), confidence=0.9), answers(every(10), confidence=0.99)
    assert check_calibration(honest, honest, ACTUAL, PARAMS).passed
    assert check_calibration(boastful, honest, ACTUAL, PARAMS).passed
    assert not check_calibration(honest, boastful, ACTUAL, PARAMS).passed


def test_a_model_with_less_coverage_is_refused() -> None:
    accepts, declines = answers(every(20)), answers(every(20), threshold=0.95)
    assert check_coverage(accepts, accepts, ACTUAL, PARAMS).passed
    assert check_coverage(declines, accepts, ACTUAL, PARAMS).passed
    assert not check_coverage(accepts, declines, ACTUAL, PARAMS).passed


def test_a_model_that_accepts_wrong_answers_is_refused() -> None:
    assert not check_coverage(answers(every(20)), answers(every(4)), ACTUAL, PARAMS).passed
    # No more is asked than what the threshold promises: nine in ten.
    assert check_coverage(answers(np.array([], np.int64)), answers(every(10)), ACTUAL, PARAMS).passed


@pytest.mark.parametrize(
    ("text", "image", "passed"), [(1.1, 11, True), (0.5, 5, True), (1.5, 10, False), (1, 15, False)]
)
def test_a_slower_model_is_refused(text: float, image: float, passed: bool) -> None:
    assert check_latency(Latency(1, 10), Latency(text, image), PARAMS).passed == passed
