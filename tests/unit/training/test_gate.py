"""The gate's conditions, one by one, on answers that are made for them."""

import numpy as np
import numpy.typing as npt
import pytest

from shared.model.fusion import Probabilities
from shared.model.known import KnownItems
from shared.model.review import Review
from shared.pipeline.params import GateParams, load_params
from shared.pipeline.stages import GateCheck
from shared.taxonomy import RAKUTEN, Taxonomy
from shared.taxonomy.categories import Category
from tests.rakuten import CATEGORIES, CODES
from training.judge.gate_checks import (
    Answers,
    check_calibration,
    check_classes,
    check_contradictions,
    check_coverage,
    check_f1,
    check_first_f1,
    check_held_out,
    check_labels,
    check_latency,
    check_new_categories,
)
from training.judge.held_out import compare_labels, hold_out
from training.judge.latency import Latency
from training.pipeline.categories import Categories
from training.pipeline.prepared import Items

ITEMS, CLASSES = 1200, 6
PARAMS: GateParams = load_params().gate
ACTUAL = np.arange(ITEMS) % CLASSES

Rows = npt.NDArray[np.int64]


def items(classes: Rows, categories: Categories = CATEGORIES) -> Items:
    rows = np.arange(len(classes))
    return Items(
        rows,
        identities=(rows + 1000).astype(np.uint64),
        words=[["mot"]] * len(rows),
        features=np.zeros((len(rows), 1), np.float16),
        classes=classes,
        categories=categories,
    )


def known(catalogue: Items, *, learned: Rows | None = None) -> KnownItems:
    """What a training on these items leaves in its bundle."""
    taken = np.zeros(len(catalogue), bool)
    taken[[] if learned is None else learned] = True
    return KnownItems(catalogue.identities, catalogue.categories.codes_of(catalogue.classes), taken)


def answers(wrong: Rows, confidence: float = 0.9, threshold: float = 0.8) -> Answers:
    """Right but for these rows, which get the next class; all equally sure."""
    said = ACTUAL.copy()
    said[wrong] = (said[wrong] + 1) % CLASSES
    fused: Probabilities = np.full((ITEMS, len(CODES)), (1 - confidence) / (len(CODES) - 1), np.float32)
    fused[np.arange(ITEMS), said] = confidence
    return Answers(fused, Review(threshold=threshold, precision=0.9, coverage=1))


def every(step: int) -> Rows:
    return np.arange(0, ITEMS, step)


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
    check = check_held_out(found, 0, PARAMS, champion=True)
    assert not check.passed
    assert "does not say what it learned from" in check.detail
    assert check_held_out(found, 200, PARAMS, champion=True, protected="0a1b").passed


def test_too_few_held_out_items_are_refused() -> None:
    check = check_held_out(hold_out(items(ACTUAL[:50]), None), 50, PARAMS, champion=False)
    assert not check.passed
    assert "50 held-out items (at least 200)" in check.detail


def test_only_items_that_the_champion_held_out_with_the_same_label_judge() -> None:
    found = hold_out(items(ACTUAL), known(items(ACTUAL[:150])))
    check = check_held_out(found, int(found.confirmed.sum()), PARAMS, champion=True)
    assert not check.passed
    assert "Too few to judge on: 150 items" in check.detail
    assert "a person decides" in check.detail
    assert check.figures == {"items": 150, "confirmed": 150, "new": ITEMS - 150, "learned": 0, "disputed": 0}
    assert check_held_out(found, 200, PARAMS, champion=True).passed


def test_a_protected_set_that_was_learned_is_too_small() -> None:
    own = hold_out(items(ACTUAL), known(items(ACTUAL)))
    check = check_held_out(own, 10, PARAMS, champion=True, protected="0a1b")
    assert not check.passed
    assert "10 items of the protected set 0a1b" in check.detail


def relabelled(rows: Rows) -> bool:
    labels = ACTUAL.copy()
    labels[rows] = (labels[rows] + 1) % CLASSES
    return check_labels(*compare_labels(known(items(labels)), known(items(ACTUAL)), RAKUTEN), CATEGORIES, PARAMS).passed


def test_few_relabelled_items_pass_and_many_are_refused() -> None:
    assert relabelled(every(50))
    assert not relabelled(every(4))


def test_a_relabelled_type_is_refused() -> None:
    few = np.flatnonzero(ACTUAL == 2)[::4]
    assert len(few) / ITEMS < PARAMS.relabelled.share
    assert relabelled(few)
    labels = np.where(np.arange(ITEMS) < 40, CLASSES, ACTUAL)  # a type of 40 items, of which 20 change
    changed = np.where(np.arange(ITEMS) < 20, 0, labels)
    check = check_labels(*compare_labels(known(items(changed)), known(items(labels)), RAKUTEN), CATEGORIES, PARAMS)
    assert check.figures["share"] < PARAMS.relabelled.share
    assert not check.passed
    assert f"of {CODES[CLASSES]} (" in check.detail


@pytest.mark.parametrize(("changed", "passed"), [(1, True), (2, True), (4, False)])
def test_two_small_types_whose_labels_were_exchanged_are_refused(changed: int, passed: bool) -> None:
    labels = ACTUAL.copy()
    labels[:4], labels[4:8] = CLASSES, CLASSES + 1  # four items each
    exchanged = labels.copy()
    exchanged[:changed], exchanged[4 : 4 + changed] = CLASSES + 1, CLASSES
    check = check_labels(*compare_labels(known(items(exchanged)), known(items(labels)), RAKUTEN), CATEGORIES, PARAMS)
    assert check.figures["share"] < PARAMS.relabelled.share
    assert check.passed is passed


def test_labels_of_another_catalogue_cannot_be_compared() -> None:
    here, elsewhere = items(ACTUAL), items(ACTUAL)
    elsewhere.identities[:] += ITEMS
    check = check_labels(*compare_labels(known(here), known(elsewhere), RAKUTEN), CATEGORIES, PARAMS)
    assert check.passed
    assert "no label can be compared" in check.detail


def test_copies_with_several_labels_count_as_unchanged() -> None:
    twice = KnownItems(np.array([5, 5], np.uint64), np.array(["10", "40"]), np.array([False, False]))
    once = KnownItems(np.array([5], np.uint64), np.array(["40"]), np.array([False]))
    assert compare_labels(once, twice, RAKUTEN)[0].changed == 0
    assert compare_labels(twice, once, RAKUTEN)[0].changed == 0


@pytest.mark.parametrize(("champion", "challenger", "passed"), [(5, 10, True), (5, 5, True), (10, 5, False)])
def test_weighted_f1_passes_if_equal_or_better(champion: int, challenger: int, passed: bool) -> None:
    check = check_f1(answers(every(champion)), answers(every(challenger)), ACTUAL, PARAMS)
    assert check.passed == passed
    assert check.figures["low"] <= check.figures["gain"] <= check.figures["high"]


def test_an_uncertain_difference_is_refused() -> None:
    """Equal on the whole, but wrong about other items: on so few that may be chance."""
    one, other = answers(np.arange(0, ITEMS, 3)), answers(np.arange(1, ITEMS, 3))
    assert not check_f1(one, other, ACTUAL, PARAMS).passed
    assert check_f1(one, one, ACTUAL, PARAMS).passed


def test_a_loss_on_the_items_that_judge_is_refused_whatever_is_gained_elsewhere() -> None:
    new, old = np.arange(ITEMS) < 600, np.arange(ITEMS) >= 600
    champion, challenger = answers(np.flatnonzero(new)[::2]), answers(np.flatnonzero(old)[::6])
    assert check_f1(champion, challenger, ACTUAL, PARAMS).passed
    assert not check_f1(champion.where(old), challenger.where(old), ACTUAL[old], PARAMS).passed


def contradicted(wrong: Rows, confidence: float = 0.9) -> GateCheck:
    """What the gate says of a catalogue in which these rows have another label than the champion's answer."""
    return check_contradictions(answers(wrong, confidence), ACTUAL, CATEGORIES, PARAMS)


def test_a_catalogue_that_contradicts_a_sure_champion_is_refused() -> None:
    assert contradicted(every(20)).passed
    permuted = contradicted(every(1))
    assert not permuted.passed
    assert permuted.figures["share"] == 1
    assert "Of 1,200 items of the catalogue of which the champion is sure, 100.0% have another label" in permuted.detail
    unsure = contradicted(every(1), confidence=0.5)
    assert unsure.passed
    assert "sure of none of the 1,200 items" in unsure.detail


def test_flipped_categories_are_refused_though_they_are_few() -> None:
    labels = np.arange(ITEMS) % len(CODES)  # two of 27 are seven in a hundred
    said = np.where(labels == 3, 4, np.where(labels == 4, 3, labels))
    fused: Probabilities = np.full((ITEMS, len(CODES)), 0.001, np.float32)
    fused[np.arange(ITEMS), said] = 0.9
    check = check_contradictions(
        Answers(fused, Review(threshold=0.8, precision=0.9, coverage=1)), labels, CATEGORIES, PARAMS
    )
    assert check.figures["share"] < PARAMS.contradicted.share
    assert not check.passed
    assert check.figures["worst_type_share"] == 1


def test_many_categories_labelled_as_one_are_refused() -> None:
    """One in eight of each category: neither all together nor any of their answers is contradicted much."""
    labels = np.where(np.arange(ITEMS) % 8 == 0, CLASSES, ACTUAL)
    check = check_contradictions(answers(np.array([], np.int64)), labels, CATEGORIES, PARAMS)
    assert check.figures["share"] < PARAMS.contradicted.share
    assert not check.passed
    assert f"of {CODES[CLASSES]} (" in check.detail


def test_a_champion_without_a_threshold_is_sure_where_it_is_as_sure_as_it_aims_at() -> None:
    confident = answers(every(1), confidence=0.95)
    aim = Answers(confident.fused, Review(threshold=None, precision=0.9, coverage=0))
    assert not check_contradictions(aim, ACTUAL, CATEGORIES, PARAMS).passed
    higher = Answers(confident.fused, Review(threshold=None, precision=0.99, coverage=0))
    assert check_contradictions(higher, ACTUAL, CATEGORIES, PARAMS).figures["sure"] == 0


def test_the_first_model_needs_a_minimum_f1() -> None:
    assert check_first_f1(answers(every(3)), ACTUAL, PARAMS).passed
    assert not check_first_f1(answers(np.arange(700)), ACTUAL, PARAMS).passed


def test_a_type_that_loses_f1_is_refused_and_named() -> None:
    fallen = np.flatnonzero(ACTUAL == 4)[::2]
    check = check_classes(answers(every(10)), answers(fallen), ACTUAL, CATEGORIES, PARAMS)
    assert not check.passed
    assert CODES[4] in check.detail
    assert check_classes(answers(every(10)), answers(every(9)), ACTUAL, CATEGORIES, PARAMS).passed


def test_types_with_few_items_are_not_judged() -> None:
    strict = PARAMS.model_copy(update={"classes": PARAMS.classes.model_copy(update={"min_items": ITEMS})})
    check = check_classes(answers(every(10)), answers(np.flatnonzero(ACTUAL == 4)), ACTUAL, CATEGORIES, strict)
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


# A taxonomy that was changed on purpose


def changed(*categories: Category) -> Categories:
    taxonomy = Taxonomy(categories)
    return Categories(taxonomy, tuple(leaf.code for leaf in taxonomy.leaves))


BEFORE = changed(*(Category(code, code) for code in ("shoes", "boots", "hats", "gone")))
MERGED = changed(Category("shoes", "s"), Category("boots", "b", moved_to="shoes"), Category("hats", "h"))
SPLIT = changed(
    Category("shoes", "s"), Category("low", "l", parent="shoes"), Category("high", "h", parent="shoes"),
    Category("boots", "b"), Category("hats", "h"), Category("gone", "g", retired=True),
)  # fmt: skip


def relabelled_by(now: Categories, moves: dict[str, str]) -> tuple[int, int, int]:
    """Items whose label changed, of those that both know; and those held out that are disputed."""
    before = items(np.arange(40) % 4, BEFORE)
    labels = [moves.get(code, code) for code in BEFORE.codes_of(before.classes).tolist()]
    kept = np.array([code in now.class_of for code in labels])
    after = items(np.zeros(40, np.int64), now).where(kept)
    after.classes[:] = now.classes(code for code in labels if code in now.class_of)
    found, _ = compare_labels(known(after), known(before), now.taxonomy)
    return found.changed, found.shared, hold_out(after, known(before)).disputed


def test_labels_that_follow_a_merge_are_not_relabelled() -> None:
    assert relabelled_by(MERGED, {"boots": "shoes"}) == (0, 30, 0)


def test_labels_below_a_category_that_was_split_are_not_relabelled() -> None:
    assert relabelled_by(SPLIT, {"shoes": "low"}) == (0, 30, 0)


def test_labels_that_no_change_explains_are_relabelled() -> None:
    assert relabelled_by(SPLIT, {"shoes": "low", "hats": "boots"}) == (10, 30, 10)
    assert relabelled_by(MERGED, {"boots": "hats"}) == (10, 30, 10)


@pytest.mark.parametrize(("right", "passed"), [(1.0, True), (0.1, False)])
def test_categories_that_are_new_have_a_bar_of_their_own(right: float, passed: bool) -> None:
    new = np.isin(SPLIT.codes, ["low", "high"])
    classes = SPLIT.classes(["low", "high"] * 20)
    fused: Probabilities = np.full((40, len(SPLIT)), 0.01, np.float32)
    said = np.where(np.arange(40) < right * 40, classes, SPLIT.class_of["hats"])
    fused[np.arange(40), said] = 0.9
    check = check_new_categories(
        Answers(fused, Review(threshold=0.8, precision=0.9, coverage=1)), classes, SPLIT, new, PARAMS
    )
    assert check.passed == passed
    assert check.detail.startswith("2 categories are new to the champion (low (l), high (h)): F1 ")
    few = check_new_categories(None, classes[:0], SPLIT, new, PARAMS)
    assert few.passed
    assert "0 held-out items: too few to judge them by" in few.detail
