import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from shared.model.fusion import Probabilities
from shared.model.review import Review
from training.judge.review import choose_threshold, judged, review_figures

# Few distinct confidences, so that ties are common; NaN is an item without an answer.
_CONFIDENCE = st.integers(0, 20).map(lambda twentieths: twentieths / 20) | st.just(float("nan"))
_ITEMS = st.lists(st.tuples(_CONFIDENCE, st.booleans()), max_size=60)
_PRECISION = st.sampled_from([0.05, 0.5, 0.9, 0.95, 1.0])


def _accepted(items: list[tuple[float, bool]], threshold: float) -> list[bool]:
    """Whether each item that is accepted was right."""
    return [right for confidence, right in items if confidence >= threshold]


def _at_least(accepted: list[bool]) -> float:
    """What the precision is at least, in eight of ten cases, by scipy."""
    found = binomtest(sum(accepted), len(accepted)).proportion_ci(confidence_level=0.6, method="wilson")
    return float(found.low)


@given(_ITEMS, _PRECISION)
def test_the_threshold_is_the_lowest_that_is_surely_precise_enough(
    items: list[tuple[float, bool]], precision: float
) -> None:
    confidence, correct = np.array([item[0] for item in items]), np.array([item[1] for item in items], bool)
    review = choose_threshold(confidence, correct, precision)
    if review.threshold is None:
        assert review.coverage == 0
    else:
        accepted = _accepted(items, review.threshold)
        assert _at_least(accepted) >= precision - 1e-9
        assert review.coverage == len(accepted) / len(items)
    threshold = np.inf if review.threshold is None else review.threshold
    for lower in (value for value, _ in items if value < threshold):
        accepted = _accepted(items, lower)
        assert _at_least(accepted) < precision + 1e-9
    figures = review_figures(review, confidence, correct)
    assert figures["review_coverage"] == review.coverage
    assert figures.get("review_precision", 1) >= precision


def test_items_of_one_confidence_are_accepted_together() -> None:
    confidence = np.repeat([0.9, 0.8, 0.7], [20, 10, 10])
    correct = np.array([True] * 20 + [True] * 5 + [False] * 15)
    review = choose_threshold(confidence, correct, precision=0.95)
    assert (review.threshold, review.coverage) == (0.9, 0.5)


@pytest.mark.parametrize(("items", "accepted"), [(13, False), (14, True)])
def test_a_few_items_promise_nothing_though_all_are_right(items: int, accepted: bool) -> None:
    review = choose_threshold(np.full(items, 0.9), np.ones(items, bool), precision=0.95)
    assert (review.threshold is not None) is accepted


def test_a_point_estimate_that_just_reaches_the_aim_is_not_enough() -> None:
    """61 items of which 95 % are right would all be accepted by it, and three more wrong ones would surprise nobody."""
    correct = np.arange(61) >= 3
    assert correct.mean() > 0.95
    assert choose_threshold(np.full(61, 0.9), correct, precision=0.95).threshold is None


def test_every_item_needs_review_if_no_threshold_is_precise_enough() -> None:
    review = choose_threshold(np.array([0.99, 0.5]), np.array([False, True]), precision=0.95)
    assert review == Review(threshold=None, precision=0.95, coverage=0)
    assert review.needs_review(1.0)
    assert Review.model_validate_json(review.model_dump_json()) == review


def test_a_confidence_equal_to_the_threshold_is_accepted() -> None:
    review = Review(threshold=0.8, precision=0.95, coverage=0.5)
    assert [review.needs_review(confidence) for confidence in (0.7999, 0.8, 0.8001)] == [True, False, False]


def test_an_item_without_an_answer_is_never_accepted_and_counts() -> None:
    answers: Probabilities = np.array([[0.87654, 0.12346], [np.nan, np.nan]] * 20, np.float32)
    confidence, correct = judged(answers, np.zeros(40, np.int64))
    assert confidence[0] == 0.8765, "as a result carries it"
    review = choose_threshold(confidence, correct)
    assert (review.threshold, review.coverage) == (0.8765, 0.5)


def test_review_figures_on_another_split() -> None:
    review = Review(threshold=0.8, precision=0.95, coverage=0.9)
    figures = review_figures(review, np.array([0.9, 0.8, 0.7, np.nan]), np.array([True, False, True, False]))
    assert figures == {"review_coverage": 0.5, "review_precision": 0.5}
    assert review_figures(review, np.array([0.1]), np.array([True])) == {"review_coverage": 0}


def test_the_deepest_category_that_reaches_its_levels_threshold_is_sure() -> None:
    review = Review(threshold=0.9, precision=0.95, coverage=0.5, levels=(0.8, None, 0.6))
    assert review.sure((0.99, 0.98, 0.95), 0.9) == 4, "a sure answer is sure with all that is above it"
    assert review.sure((0.7, 0.7, 0.6), 0.5) == 3, "as is a sure category on a lower level"
    assert review.sure((0.8, 0.7, 0.59), 0.5) == 1
    assert review.sure((0.99, 0.99), 0.5) == 1, "no confidence is precise enough on the second level"
    assert review.sure((0.79, 0.7), 0.5) == 0
    assert review.sure((0.1, 0.1, 0.1, 0.99), 0.5) == 0, "below the levels that were fitted, nothing is"
    assert (review.sure((), 0.9), review.sure((), 0.8)) == (1, 0)


@given(st.lists(st.floats(0, 1), max_size=4), st.floats(0, 1))
def test_without_levels_the_answers_own_threshold_decides(above: list[float], confidence: float) -> None:
    review = Review(threshold=0.5, precision=0.95, coverage=0.5)
    assert review.sure(above, confidence) == (0 if review.needs_review(confidence) else len(above) + 1)


def test_without_levels_the_manifest_stays_as_it_was() -> None:
    """Its hash names the bundle."""
    review = Review(threshold=0.5, precision=0.95, coverage=0.5)
    assert review.model_dump() == {"threshold": 0.5, "precision": 0.95, "coverage": 0.5}
    with_levels = review.model_copy(update={"levels": (0.5, None)})
    assert Review.model_validate_json(with_levels.model_dump_json()) == with_levels
