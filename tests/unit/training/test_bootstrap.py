import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from training.judge.bootstrap import PairedF1, compare

WIDTH = 5
TRIPLES = st.lists(st.tuples(*[st.integers(0, WIDTH - 1)] * 3), min_size=1, max_size=60)

Classes = npt.NDArray[np.int64]


def _columns(triples: list[tuple[int, ...]]) -> tuple[Classes, Classes, Classes]:
    actual, champion, challenger = np.array(triples, np.int64).T
    return actual, champion, challenger


def _compare(actual: Classes, champion: Classes, challenger: Classes, seed: int = 1) -> PairedF1:
    return compare(actual, champion, challenger, width=WIDTH, resamples=400, seed=seed)


def _answers(random: np.random.Generator, actual: Classes, skill: float) -> Classes:
    return np.where(random.random(len(actual)) < skill, actual, random.integers(0, WIDTH, len(actual)))


@given(TRIPLES)
def test_weighted_f1_equals_scikit_learns(triples: list[tuple[int, ...]]) -> None:
    actual, champion, challenger = _columns(triples)
    found = _compare(actual, champion, challenger)
    for ours, predicted in ((found.champion, champion), (found.challenger, challenger)):
        assert ours == pytest.approx(f1_score(actual, predicted, average="weighted", zero_division=0))


@given(TRIPLES)
def test_equal_answers_have_a_gain_of_zero(triples: list[tuple[int, ...]]) -> None:
    actual, answers, _ = _columns(triples)
    found = _compare(actual, answers, answers)
    assert (found.gain, found.low, found.high) == (0, 0, 0)


@given(TRIPLES, st.randoms())
def test_the_order_of_items_does_not_matter(triples: list[tuple[int, ...]], random: object) -> None:
    shuffled = list(triples)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert _compare(*_columns(shuffled)) == _compare(*_columns(triples))


@given(TRIPLES)
def test_the_interval_lies_within_possible_gains(triples: list[tuple[int, ...]]) -> None:
    found = _compare(*_columns(triples))
    assert -1 <= found.low <= found.high <= 1


def test_the_interval_separates_a_better_model_and_rarely_two_alike_ones() -> None:
    random = np.random.default_rng(1)
    apart = 0
    for _ in range(100):
        actual = random.integers(0, WIDTH, 400)
        one, alike, better = (_answers(random, actual, skill) for skill in (0.7, 0.7, 0.9))
        assert _compare(actual, one, better).low > 0
        found = _compare(actual, one, alike)
        apart += not found.low < 0 < found.high
    assert 0 < apart < 15  # five are expected


def test_the_interval_equals_that_of_resampled_items() -> None:
    """Triples are drawn instead of items: that must be the same distribution."""
    random = np.random.default_rng(2)
    actual = random.integers(0, WIDTH, 300)
    champion, challenger = _answers(random, actual, 0.6), _answers(random, actual, 0.7)
    gains = []
    for _ in range(1000):
        rows = random.integers(0, len(actual), len(actual))
        before, after = (
            f1_score(actual[rows], said[rows], average="weighted", zero_division=0) for said in (champion, challenger)
        )
        gains.append(after - before)
    found = compare(actual, champion, challenger, width=WIDTH, resamples=2000, seed=1)
    low, high = np.quantile(gains, [0.025, 0.975])
    assert found.low == pytest.approx(low, abs=0.012)
    assert found.high == pytest.approx(high, abs=0.012)


def test_the_seed_decides_the_interval() -> None:
    random = np.random.default_rng(3)
    actual = random.integers(0, WIDTH, 200)
    answers = _answers(random, actual, 0.6), _answers(random, actual, 0.6)
    assert _compare(actual, *answers) == _compare(actual, *answers)
    assert _compare(actual, *answers) != _compare(actual, *answers, seed=2)


def test_a_comparison_takes_less_than_a_second() -> None:
    random = np.random.default_rng(4)
    actual = random.integers(0, 27, 3000)
    said = [np.where(random.random(3000) < 0.8, actual, random.integers(0, 27, 3000)) for _ in range(2)]
    start = time.process_time()
    compare(actual, *said, width=27, resamples=2000, seed=1)
    assert time.process_time() - start < 1


def test_a_comparison_needs_items() -> None:
    nothing = np.array([], np.int64)
    with pytest.raises(ValueError, match="no item to compare"):
        _compare(nothing, nothing, nothing)
