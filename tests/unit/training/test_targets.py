"""What a network learns of many categories takes no more memory than of few, and says the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.fusion import Probabilities, softmax
from training.fit.targets import FEW, Targets
from training.fit.teacher import ONE_BY_ONE, teach


def _random(items: int, width: int) -> Probabilities:
    return softmax(np.random.default_rng(items + width).normal(0, 3, (items, width)))


@given(st.integers(0, 9), st.integers(1, FEW))
def test_of_few_categories_every_probability_is_kept(items: int, width: int) -> None:
    given_ = _random(items, width)
    assert np.array_equal(Targets.largest(items, width, given_.__getitem__).dense(slice(None)), given_)


@given(st.integers(1, 9), st.integers(FEW + 1, 300))
def test_of_many_categories_the_largest_are_kept_in_their_proportions(items: int, width: int) -> None:
    given_ = _random(items, width)
    kept = Targets.largest(items, width, given_.__getitem__)
    found = kept.dense(slice(None))
    assert found.sum(axis=1) == pytest.approx(np.ones(items), abs=1e-5)
    assert (np.count_nonzero(found, axis=1) == FEW).all()
    assert (found.argmax(axis=1) == given_.argmax(axis=1)).all()
    least = np.where(found > 0, given_, np.inf).min(axis=1)
    assert (np.where(found > 0, 0, given_).max(axis=1) <= least).all()
    assert kept.shares.nbytes == items * FEW * 4


def test_parts_are_joined_in_their_order() -> None:
    sure, unsure = Targets.one_hot(np.array([2, 0]), 4), Targets.largest(1, 4, _random(1, 4).__getitem__)
    joined = Targets.joined([sure, unsure])
    assert joined.dense(slice(None)) == pytest.approx(np.concatenate([np.eye(4)[[2, 0]], _random(1, 4)]))
    assert joined.dense(np.array([1])) == pytest.approx(np.eye(4)[[0]])


def test_more_rows_than_fit_in_memory_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    given_ = _random(10, 50)

    def some(rows: slice) -> Probabilities:
        asked.append(len(given_[rows]))
        return given_[rows]

    whole = Targets.largest(10, 50, given_.__getitem__)
    monkeypatch.setattr("training.fit.targets._CELLS", 150)
    parts = Targets.largest(10, 50, some)
    assert asked == [3, 3, 3, 1]
    assert np.array_equal(parts.dense(slice(None)), whole.dense(slice(None)))


@pytest.mark.parametrize("width", [ONE_BY_ONE - 10, ONE_BY_ONE + 50])
def test_both_teachers_know_what_a_word_tells(width: int) -> None:
    """Each category has a word of its own, and its texts have others beside it."""
    random = np.random.default_rng(1)
    classes = np.repeat(np.arange(width), 10)
    texts = [[f"mot{label}", *(f"autre{number}" for number in random.integers(0, 40, 3))] for label in classes]
    labelled, unlabelled = teach(texts, classes, [[f"mot{label}"] for label in range(width)], width, seed=1)
    right = labelled.dense(slice(None)).argmax(axis=1) == classes
    assert right.mean() > 0.95
    answers = unlabelled.dense(slice(None))
    assert (answers.argmax(axis=1) == np.arange(width)).mean() > 0.95
    assert answers.max(axis=1).mean() > 0.3, "it is as sure as it is right"


@pytest.mark.parametrize("width", [3, ONE_BY_ONE + 1])
def test_a_teacher_of_texts_without_others_has_nothing_to_say_of_them(width: int) -> None:
    classes = np.repeat(np.arange(width), 2)
    _, unlabelled = teach([[f"mot{label}", "et"] for label in classes], classes, [], width, seed=1)
    assert unlabelled.classes.shape[0] == 0
