"""The arithmetic of the promise: bounds that hold at all times, and the threshold that keeps it."""

import random
from collections import Counter
from collections.abc import Callable
from math import exp, log

import pytest
from scipy.stats import beta

from shared.promise import (
    BINS,
    HIGHEST,
    LabelledAnswer,
    Precision,
    PromiseState,
    bin_of,
    lowest,
    state_of,
    threshold_for,
)

OWN, PROMISED = 0.8, 0.95


@pytest.mark.parametrize(
    "share",
    [lambda number: 0.95, lambda number: 0.98 if number < 40 else 0.8, lambda number: 0.7 if number < 30 else 0.99],
    ids=["as ever", "worse", "better"],
)
def test_bounds_hold_after_every_answer_in_19_of_20_streams(share: Callable[[int], float]) -> None:
    chance, streams, above, below = random.Random(4), 60, 0, 0
    for _ in range(streams):
        right, expected, too_high, too_low = 0, 0.0, False, False
        for number in range(100):
            right, expected = right + (chance.random() < share(number)), expected + share(number)
            seen, mean = Precision(number + 1, right), expected / (number + 1)
            too_high |= seen.at_least > mean
            too_low |= seen.at_most < mean
        above, below = above + too_high, below + too_low
    assert max(above, below) <= 0.05 * streams


@pytest.mark.parametrize(("audited", "right"), [(20, 20), (412, 398), (3000, 2880), (50, 20)])
def test_a_bound_for_all_times_is_a_little_wider_than_one_for_one_moment(audited: int, right: int) -> None:
    seen = Precision(audited, right)
    once = beta.ppf(0.05, right, audited - right + 1)
    assert once - 1.2 * (right / audited - once) < seen.at_least < once
    assert seen.at_least < right / audited <= seen.at_most


def test_without_an_audit_everything_is_possible() -> None:
    assert (Precision().estimate, Precision().at_least, Precision().at_most) == (None, 0, 1)
    assert state_of(Precision(), PROMISED) is PromiseState.OPEN


def test_a_promise_is_kept_or_broken_only_if_a_bound_says_so() -> None:
    assert state_of(Precision(1000, 990), PROMISED) is PromiseState.KEPT
    assert state_of(Precision(1000, 950), PROMISED) is PromiseState.OPEN
    assert state_of(Precision(1000, 850), PROMISED) is PromiseState.BROKEN
    assert state_of(Precision(1000, 990), PROMISED, at_limit=True) is PromiseState.BROKEN


# The threshold


def decided(height: float, number: int = 6000) -> tuple[list[LabelledAnswer], Counter[int]]:
    """Answers of which people have decided all below the threshold, and a few above; their log odds are off by that."""
    chance, labelled, answers = random.Random(8), list[LabelledAnswer](), Counter[int]()
    for each in range(number):
        confidence = round(1 - 0.7 * chance.random() ** 2, 4)
        odds = log(max(confidence, 1e-4) / max(1 - confidence, 1e-4)) + height
        answers[bin_of(confidence)] += 1
        if confidence < OWN or chance.random() < 0.05:
            labelled.append(LabelledAnswer(confidence, chance.random() < 1 / (1 + exp(-odds)), each % 5))
    return labelled, answers


def test_the_threshold_follows_what_people_decided() -> None:
    moved = {height: threshold_for(OWN, OWN, PROMISED, *decided(height)) for height in (-0.7, 0.0, 0.7)}
    assert moved[-0.7].value > moved[0.0].value > moved[0.7].value >= lowest(OWN)
    for threshold in moved.values():
        assert threshold.precision is not None
        assert (threshold.precision >= PROMISED, threshold.at_limit) == (True, False)


def test_the_threshold_stays_while_little_is_decided() -> None:
    labelled, answers = decided(-2.0)
    assert threshold_for(OWN, OWN, PROMISED, labelled[:60], answers).value == OWN
    assert threshold_for(OWN, OWN, PROMISED, labelled, {}).value == OWN
    assert threshold_for(OWN, OWN, PROMISED, [], answers).precision is None


def test_the_threshold_goes_no_higher_than_allowed_and_says_so() -> None:
    threshold = threshold_for(OWN, OWN, PROMISED, *decided(-6.0))
    assert (threshold.value, threshold.at_limit) == (HIGHEST, True)


def test_a_bin_has_the_confidences_from_its_edge_on() -> None:
    assert [bin_of(confidence) for confidence in (0.0, 0.0049, 0.005, 0.8, 0.9999, 1.0)] == [
        *(0, 0, 1),
        *(round(0.8 * BINS), BINS - 1, BINS - 1),
    ]
